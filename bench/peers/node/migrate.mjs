// The migration as a Node script, as one would write it: node migrate.mjs STORE

import Database from "better-sqlite3";

const BATCH = 3000;

const db = new Database(process.argv[2]);
db.pragma("synchronous = FULL");
const select = db.prepare("SELECT _id, doc FROM users WHERE _id > ? ORDER BY _id LIMIT ?");
const update = db.prepare("UPDATE users SET doc = ? WHERE _id = ?");
const now = Date.now();

// Migrates the page that follows a key. Returns its last key; undefined if there is no page any more.
const migratePage = db.transaction((after) => {
  const page = select.all(after, BATCH);
  for (const { _id, doc } of page) {
    const user = JSON.parse(doc);
    if (user.displayName !== undefined) continue;
    user.displayName = user.email.split("@", 1)[0];
    user.updatedAt = now;
    update.run(JSON.stringify(user), _id);
  }
  return page.at(-1)?._id;
});

for (let after = ""; after !== undefined; ) {
  after = migratePage.immediate(after);
}
db.close();
