from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "apps.billing"

    def ready(self) -> None:
        """Have sync mirror what providers tell of money, and carry purchases out."""
        from apps.billing import (
            cards,
            diagnosing,
            drawing,
            finding,
            mirror,
            reclaim,
            subscribing,
            telling,
            topping,
        )
        from apps.billing.polling import PAYMENT_STATES
        from apps.billing.remote import register_kinds
        from apps.sync import mirrors
        from apps.ui import slots

        for one in mirror.MIRRORS:
            mirrors.register(one)
        mirrors.register(PAYMENT_STATES)
        mirrors.after_complete(mirror.CREDIT.name, mirror.keep_point)
        mirrors.after_complete(mirror.PAYMENTS.name, mirror.watch_payments)
        mirrors.after_complete("invites", mirror.count_anew)
        finding.register()
        diagnosing.register()
        register_kinds()
        topping.register_kinds()
        cards.register_kinds()
        subscribing.register_kinds()
        telling.register()
        for filler in (drawing.payment_page, drawing.evidence):
            slots.fill("sync:command", filler)
        slots.fill("sync:batch", reclaim.seats_of_batch)
