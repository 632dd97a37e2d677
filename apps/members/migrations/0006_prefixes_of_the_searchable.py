"""On PostgreSQL the beginnings of names and addresses are indexed of searchable people alone.

A walk writes people who are not, so a first one over 100,000 people does not pay for these either.
"""

from django.db import migrations

PARTIAL = """
DROP INDEX person_by_email_prefix;
DROP INDEX person_by_name_prefix;
CREATE INDEX person_by_email_prefix ON members_person (organization_id, email text_pattern_ops)
    WHERE searchable;
CREATE INDEX person_by_name_prefix ON members_person (organization_id, sort_name text_pattern_ops)
    WHERE searchable;
"""
WHOLE = """
DROP INDEX person_by_email_prefix;
DROP INDEX person_by_name_prefix;
CREATE INDEX person_by_email_prefix ON members_person (organization_id, email text_pattern_ops);
CREATE INDEX person_by_name_prefix ON members_person (organization_id, sort_name text_pattern_ops);
"""


def run(sql):
    def on_postgresql(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(sql)

    return on_postgresql


class Migration(migrations.Migration):
    dependencies = [("members", "0005_covering_indexes")]

    operations = [migrations.RunPython(run(PARTIAL), run(WHOLE))]
