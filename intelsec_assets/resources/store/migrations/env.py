"""What Alembic runs for every migration: it uses the connection that the caller opened, and that one's transaction.

Nothing is configured here but the version table; the way in is `versions.migrate`.
"""

from alembic import context

from intelsec_assets.resources.store.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
