"""Splits name into firstName and lastName."""

from plugin_sdk import Context, Document, Result, at, migration, skip


@migration(
    name="split-name",
    description="Splits name into firstName (the first word) and lastName (the rest)",
    version=1,
    table="users",
    filter=[at("/name").present(), at("/firstName").missing()],
)
def transform(user: Document, ctx: Context) -> Result:
    words = user.require("/name", str).split() if user["name"] is not None else []
    if not words:
        return skip("no name")
    return {"firstName": words[0], "lastName": " ".join(words[1:])}
