// The folders of an event, and the select fields of a page that offer them.

import { call, element } from "./api.js";
import { all } from "./studio_common.js";

export async function foldersOf(path) {
  let list = [];
  const choices = [];

  function draw({ select, before, after }) {
    const kept = select.value;
    const option = ([value, text]) => element("option", { value }, text);
    const folders = list.map(({ id, name, hidden }) => [id, hidden ? `${name} (hidden)` : name]);
    select.replaceChildren(...[...before, ...folders, ...after].map(option));
    select.value = [...select.options].some(({ value }) => value === kept) ? kept : (before[0]?.[0] ?? "");
  }

  async function refresh() {
    list = await all(`${path}/folders`);
    choices.forEach(draw);
  }

  await refresh();
  return {
    refresh,
    named: (name) => list.find((folder) => folder.name === name),
    // Keeps a select field up to date. `before` and `after`: options around the folders, each a value and its
    // text.
    offer(select, before, after = []) {
      choices.push({ select, before, after });
      draw(choices.at(-1));
    },
    // Creates a folder and returns its id.
    async make(name) {
      const { id } = await call("POST", `${path}/folders`, { name });
      await refresh();
      return id;
    },
  };
}
