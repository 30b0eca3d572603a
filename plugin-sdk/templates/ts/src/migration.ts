import { at, fail, migration } from "plugin-sdk";

interface User {
  email: string;
}

// Fills `displayName` from the part of `email` before the `@`. Make it your own migration.
export default migration<User>({
  name: "{{name}}",
  description: "Fills displayName from the part of email before the @",
  version: 1,
  table: "users",
  // Chosen so that a migrated document does not meet it: a second run has nothing to do.
  filter: [at("/displayName").missing()],

  transform(user, ctx) {
    const [name, domain] = user.email.split("@");
    if (name === "" || domain === undefined) {
      // This document is put into quarantine with this reason, and the run goes on.
      return fail("no-name", "email has nothing before an @", "/email");
    }
    // The fields that change. What is not named keeps its exact bytes.
    return { displayName: name, updatedAt: ctx.now };
  },
});
