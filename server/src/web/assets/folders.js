// The folders of an event, and the page's select fields that offer the folders.

import { call, element } from "./api.js";
import { all } from "./studio_common.js";

export async function foldersOf(path) {
  let list = [];
  const choices = [];

  function draw({ select, before, after }) {
    const selected = select.value;
    const option = ([value, text]) => element("option", { value }, text);
    const folders = list.map(({ id, name, hidden }) => [id, hidden ? `${name} (hidden)` : name]);
    select.replaceChildren(...[...before, ...folders, ...after].map(option));
    select.value = [...select.options].some(({ value }) => value === selected) ? selected : (before[0]?.[0] ?? "");
  }

  async function refresh() {
    list = await all(`${path}/folders`);
    choices.forEach(draw);
  }

  await refresh();
  return {
    refresh,
    named: (name) => list.find((folder) => folder.name === name),
    // Fills a select field with the folders and keeps it up to date. `before` and `after` are the options
    // before and after the folders, each a value and its text.
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
