import { byId, call, day, onSubmit, ready, say } from "./api.js";
import { all, button, row, sure, thisStudio } from "./studio_common.js";

const { path } = await thisStudio();
const state = byId("member-state");

async function attempt(work, text) {
  try {
    await work();
    say(state, text);
  } catch (problem) {
    say(state, problem.message, true);
  }
  await showMembers();
}

async function showMembers() {
  const members = await all(`${path}/members`);
  byId("members").replaceChildren(
    ...members.map((member) => {
      const role = byId("roles").content.firstElementChild.cloneNode(true);
      role.setAttribute("aria-label", `Role of ${member.name}`);
      role.value = member.role;
      role.addEventListener("change", () => attempt(() => call("PATCH", `${path}/members/${member.id}`, { role: role.value }), "Role changed."));
      const remove = button("Remove", async () => {
        if (await sure(`Remove ${member.name}?`, `${member.name} loses access to this studio.`, "Remove member"))
          await attempt(() => call("DELETE", `${path}/members/${member.id}`), "Member removed.");
      });
      return row(member.name, member.email + (member.event ? " · one event only" : ""), role, remove);
    }),
  );
}

async function showInvitations() {
  const invitations = await all(`${path}/invitations`);
  byId("invitations").replaceChildren(
    ...invitations.map((one) =>
      row(
        one.email,
        `${one.role} · valid until ${day(one.expires_unix_s)}`,
        button("Cancel invitation", () => call("DELETE", `${path}/invitations/${one.id}`).then(showInvitations)),
      ),
    ),
  );
}

onSubmit(byId("invite"), async ({ email, role }) => {
  await call("POST", `${path}/invitations`, { email, role });
  byId("invite").reset();
  await showInvitations();
  return `An invitation is on its way to ${email}.`;
});

ready();
await showMembers();
await showInvitations().catch(() => null);
