"""What the user wrote: YAML with places, checked by Pydantic, `extends` and `set` carried out."""

from cmt_dsl.spec.check import check
from cmt_dsl.spec.find import names
from cmt_dsl.spec.load import Model, load, load_document, load_text

__all__ = ["Model", "check", "load", "load_document", "load_text", "names"]
