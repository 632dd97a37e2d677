from typing import Any

from django.db import migrations, models
from django.db.models import OuterRef, Q, Subquery

ROLES = [
    ("owner", "Owner"),
    ("admin", "Admin"),
    ("billing", "Billing"),
    ("viewer", "Viewer"),
    ("self", "Own account"),
]


def keep_what_tokens_may(apps: Any, schema_editor: Any) -> None:
    """Tokens that are there may do what their user may now; whose user holds no role does nothing."""
    grants = (
        apps.get_model("organizations", "Grant")
        .objects.filter(user=OuterRef("user"), organization=OuterRef("organization"))
        .values("role")[:1]
    )
    tokens = apps.get_model("organizations", "ApiToken").objects
    tokens.annotate(held=Subquery(grants)).filter(held__isnull=True).delete()
    tokens.update(role=Subquery(grants))


class Migration(migrations.Migration):
    dependencies = [("organizations", "0007_second_person_above")]

    operations = [
        migrations.AddField(
            model_name="apitoken",
            name="kind",
            field=models.CharField(
                choices=[("personal", "Personal"), ("service", "Service")],
                default="personal",
                max_length=8,
                verbose_name="kind",
            ),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="role",
            field=models.CharField(
                choices=ROLES, default="viewer", max_length=10, verbose_name="role"
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="apitoken",
            name="scope",
            field=models.CharField(
                choices=[
                    ("read", "Read only"),
                    ("write", "Read and change"),
                    ("scim", "Provisioning (SCIM)"),
                ],
                default="write",
                max_length=5,
                verbose_name="scope",
            ),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="last_used_from",
            field=models.CharField(blank=True, max_length=64, verbose_name="last used from"),
        ),
        migrations.AlterField(
            model_name="apitoken",
            name="last_used_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="last used"),
        ),
        migrations.AddConstraint(
            model_name="apitoken",
            constraint=models.CheckConstraint(
                condition=~Q(scope="scim") | Q(kind="service"), name="provisioning_is_a_service"
            ),
        ),
        migrations.RunPython(keep_what_tokens_may, migrations.RunPython.noop, elidable=True),
    ]
