"""What the user wrote: YAML with places, checked by Pydantic, `extends` and `set` carried out."""

from cmt_dsl.spec.check import check
from cmt_dsl.spec.find import names
from cmt_dsl.spec.load import Reading, load_document, read, read_model_text
from cmt_dsl.spec.model import Model
from cmt_dsl.spec.unread import unread

__all__ = ["Model", "Reading", "check", "load_document", "names", "read", "read_model_text", "unread"]
