"""Fills displayName from the part of email before the @."""

from plugin_sdk import Context, Document, Result, at, fail, migration


@migration(
    name="{{name}}",
    description="Fills displayName from the part of email before the @",
    version=1,
    table="users",
    filter=[at("/displayName").missing()],
)
def transform(user: Document, ctx: Context) -> Result:
    name, found, _ = user.require("/email", str).partition("@")
    if not found or not name:
        return fail("no-name", "email has nothing before an @", at="/email")
    return {"displayName": name, "updatedAt": ctx.now}
