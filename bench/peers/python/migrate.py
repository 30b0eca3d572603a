"""The migration as a Python script, as one would write it: python3 migrate.py STORE"""

import json
import sqlite3
import sys
import time

BATCH = 3000


def main(path):
    # Transactions are begun and committed here, and nowhere behind the scenes.
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = FULL")
    now = time.time_ns() // 1_000_000
    after = ""
    while after is not None:
        db.execute("BEGIN IMMEDIATE")
        after = migrate_page(db, after, now)
        db.execute("COMMIT")
    db.close()


def migrate_page(db, after, now):
    """Migrates the page that follows a key. Returns its last key; None if there is no page any more."""
    page = db.execute(
        "SELECT _id, doc FROM users WHERE _id > ? ORDER BY _id LIMIT ?", (after, BATCH)
    ).fetchall()
    changed = []
    for key, doc in page:
        user = json.loads(doc)
        if "displayName" in user:
            continue
        user["displayName"] = user["email"].split("@", 1)[0]
        user["updatedAt"] = now
        # Without spaces, and with letters as they are: the way the other documents are written.
        changed.append((json.dumps(user, separators=(",", ":"), ensure_ascii=False), key))
    db.executemany("UPDATE users SET doc = ? WHERE _id = ?", changed)
    return page[-1][0] if page else None


if __name__ == "__main__":
    main(sys.argv[1])
