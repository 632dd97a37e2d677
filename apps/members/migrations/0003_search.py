"""Indexes for finding people: FTS5's trigrams on SQLite, pg_trgm on PostgreSQL.

They are no models: the ORM has no word for either. Rows enter when ``searchable`` turns true
(``apps/members/search.py``, which also sees to SQLite's triggers after every migration, because
remaking a table drops them), so a first walk over 100,000 people does not pay for them.
"""

from django.db import migrations, transaction
from django.db.utils import DatabaseError

SQLITE = "CREATE VIRTUAL TABLE members_person_fts USING fts5(text, tokenize = 'trigram')"
SQLITE_BACK = "DROP TABLE IF EXISTS members_person_fts"
POSTGRESQL = """
CREATE INDEX person_by_email_prefix ON members_person (organization_id, email text_pattern_ops);
CREATE INDEX person_by_name_prefix ON members_person (organization_id, sort_name text_pattern_ops);
"""
POSTGRESQL_TRIGRAMS = """
CREATE INDEX person_by_text ON members_person USING gin (search_text gin_trgm_ops)
    WHERE search_text IS NOT NULL;
"""
POSTGRESQL_BACK = """
DROP INDEX IF EXISTS person_by_email_prefix;
DROP INDEX IF EXISTS person_by_name_prefix;
DROP INDEX IF EXISTS person_by_text;
"""


def build(apps, schema_editor):
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(SQLITE)
            return
        cursor.execute(POSTGRESQL)
        try:
            with transaction.atomic():
                cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        except DatabaseError:
            return  # not ours to create here: finding people then reads through them, slower
        cursor.execute(POSTGRESQL_TRIGRAMS)


def take_down(apps, schema_editor):
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute(SQLITE_BACK if connection.vendor == "sqlite" else POSTGRESQL_BACK)


class Migration(migrations.Migration):
    dependencies = [("members", "0002_lists")]

    operations = [migrations.RunPython(build, take_down)]
