"""Mail. Whatever backend the settings name takes it or says why not."""

from email.utils import parseaddr
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from apps.notices.letters import Letter
from apps.notices.models import Attempt, Delivery
from apps.providers.http import check_allowed
from apps.providers.masking import mask_text

O = Attempt.Outcome  # noqa: E741 - as short as it is near
Result = tuple[str, int | None, str, bool]


def message_id(delivery: Delivery) -> str:
    """The same for every attempt: mail programs show what they have seen but once."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return f"<{delivery.uid}@{domain}>"


def send(delivery: Delivery, letter: Letter) -> Result:
    """Hand the letter to the mail server: (outcome, SMTP code or None, its words, no use in another try)."""
    check_allowed()
    assert delivery.user is not None  # noqa: S101 - for the types: a mail has a receiver
    mail = EmailMultiAlternatives(
        letter.subject,
        letter.text,
        to=[delivery.user.email],
        headers={
            "Message-ID": message_id(delivery),
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
        },
    )
    if letter.html:
        mail.attach_alternative(letter.html, "text/html")
    for one in letter.attached:
        mail.attach(one.name, one.content, one.mime)
    try:
        mail.send()
    except SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()), (0, b""))
        # 5xx of an address is final: there is nobody of that name.
        return _refused(code, words, final=500 <= code <= 599)
    except SMTPResponseException as error:
        # What it says of ourselves, our sender or the letter (535, 550, 554) whoever runs it can mend.
        return _refused(error.smtp_code, error.smtp_error, final=False)
    except (OSError, SMTPException) as error:
        return O.UNCLEAR, None, mask_text(f"{type(error).__name__}: {error}")[:500], False
    return O.SENT, None, "", False


def _refused(code: int, words: bytes | str, *, final: bool) -> Result:
    said = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    return O.REFUSED, code or None, mask_text(f"{code} {said}")[:500], final
