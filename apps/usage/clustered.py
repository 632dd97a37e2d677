"""Making tables that lie in the order of their primary key.

On SQLite such a table is WITHOUT ROWID: the key is the table, which halves it and its writes. Django
does not know the word, so migrations make these tables with ``CreateClustered``. On PostgreSQL they are
ordinary ones. A later migration that has SQLite rebuild such a table (AlterField and the like) must make
it anew the same way.
"""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


class CreateClustered(migrations.CreateModel):
    """CreateModel, WITHOUT ROWID on SQLite."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: Any,
        to_state: Any,
    ) -> None:
        """Make the table."""
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        sql, params = schema_editor.table_sql(model)
        schema_editor.execute(f"{sql} WITHOUT ROWID", params or None)
        schema_editor.deferred_sql.extend(schema_editor._model_indexes_sql(model))  # type: ignore[attr-defined]  # as create_model does
