// The guest's settings: e-mail notifications, group, sign-out, deletion of the face data.

import { byId, element } from "./api.js";
import { remember } from "./guest_link_storage.js";
import { word } from "./strings.js";

export async function mine(ask, alone) {
  let ending = () => null;

  function letters({ notifications, can_notify: can }) {
    const state = { pending: "tell_asked", on: "tell_on" }[notifications] ?? (can ? "tell_intro" : "tell_cannot");
    byId("tell-state").textContent = word(state);
    byId("tell-on").hidden = !can || notifications !== "off";
    byId("tell-off").hidden = notifications === "off";
  }

  function group(is) {
    byId("no-group").hidden = is;
    byId("in-group").hidden = !is;
    byId("whose").hidden = !is;
    if (!is) alone();
  }

  const about = await ask("GET", "/guest");
  letters(about);
  group(about.group);

  for (const [button, on] of [["tell-on", true], ["tell-off", false]])
    byId(button).addEventListener("click", async () => {
      const { notifications } = await ask("PUT", "/guest/notifications", { on });
      letters({ ...about, notifications });
      byId("tell-said").textContent = "";
      (byId("tell-on").hidden ? byId("tell-off") : byId("tell-on")).focus();
    });

  byId("make").addEventListener("click", async () => {
    const { code } = await ask("POST", "/guest/group");
    byId("code-said").textContent = word("group_yours");
    byId("code-text").textContent = code;
    group(true);
  });
  byId("join").addEventListener("submit", async (sent) => {
    sent.preventDefault();
    byId("group-bad").textContent = "";
    try {
      await ask("PUT", "/guest/group", { code: byId("code").value.trim() });
      group(true);
    } catch (problem) {
      if (problem.status < 500 && problem.status !== 0) {
        byId("trouble").textContent = "";
        byId("group-bad").textContent = word("group_wrong");
      }
    }
  });
  byId("part").addEventListener("click", async () => {
    await ask("DELETE", "/guest/group");
    byId("code-said").textContent = byId("code-text").textContent = "";
    group(false);
  });

  byId("leave").addEventListener("click", async () => {
    ending();
    await ask("DELETE", "/guest/session");
    location.reload();
  });
  // Only a guest whose faces are deleted can be kept out of later photos.
  const [faces, keptOut] = [byId("with-faces"), byId("keep-out")];
  const offer = () => {
    keptOut.disabled = !faces.checked;
    keptOut.checked &&= faces.checked;
  };
  faces.addEventListener("change", offer);
  byId("delete").addEventListener("click", () => {
    byId("sure").returnValue = "";
    offer();
    byId("sure").showModal();
  });
  byId("sure").addEventListener("close", async () => {
    if (byId("sure").returnValue !== "delete") return;
    byId("trouble").textContent = word("deleting");
    const optsOut = keptOut.checked;
    const { receipt } = await ask("DELETE", `/guest?faces=${faces.checked}&opt_out=${optsOut}`);
    byId("gone-all").hidden = optsOut;
    byId("gone-kept-out").hidden = !optsOut;
    ending();
    remember("");
    byId("receipt-save").href = URL.createObjectURL(new Blob([receipt], { type: "application/json" }));
    byId("receipt").textContent = receipt;
    // The page must not show photos after the deletion.
    const gone = byId("gone");
    gone.hidden = false;
    byId("main").replaceChildren(element("div", { class: "way" }, gone));
    byId("gone-title").focus();
  });

  return (stop) => (ending = stop);
}
