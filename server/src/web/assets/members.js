import { byId, call, count, day, onSubmit, ready, say } from "./api.js";
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

// Removes a member, and offers to revoke the API keys that the member has created: they stop working, but would work
// again if the member returned.
async function removeMember(member) {
  const { remaining_keys: keys } = await call("DELETE", `${path}/members/${member.id}`);
  const what = count(keys.length, "API key", "API keys");
  if (keys.length && (await sure(`Revoke ${what}?`, `${member.name} created ${what}. They have stopped working, and would work again if ${member.name} returned to the studio.`, "Revoke")))
    for (const key of keys) await call("DELETE", `${path}/keys/${key}`);
  await showInvitations();
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
        if (await sure(`Remove ${member.name}?`, `${member.name} loses access to this studio, and open invitations from ${member.name} are withdrawn.`, "Remove member"))
          await attempt(() => removeMember(member), "Member removed.");
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
