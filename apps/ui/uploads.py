"""Files of text that people upload: CSV, as editors and spreadsheets write it."""

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _


def text_of(upload: "UploadedFile[bytes]", *, most: int) -> str:
    """The file's text: UTF-8, or what spreadsheets write in its place. ``most``: bytes.

    ValidationError where it is larger, or no text.
    """
    if (upload.size or 0) > most:
        raise forms.ValidationError(
            _("This file is larger than %(most)s.") % {"most": filesizeformat(most)}
        )
    content = upload.read()
    for encoding in (
        "utf-8-sig",
        "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252",
    ):
        try:
            return str(content.decode(encoding))
        except UnicodeDecodeError:
            continue
    raise forms.ValidationError(_("This is no text file. Save the sheet as CSV."))
