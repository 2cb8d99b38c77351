"""For backend authors: the wire, error tables, event streams, option accounting, downloads.

Rule of the room: no vendor word, no policy. Importing it loads no HTTP library; those are imported
when the first request goes out.
"""

from .account import HostedAccount
from .billed import billed
from .credential import Credential
from .download import Downloader, MediaPolicy
from .encoding import decode_base64, encode_json, floats_from_base64
from .failures import (
    STATUS_ROWS,
    ErrorRow,
    Failure,
    error_for,
    failure_from,
    failure_in,
    request_id_of,
    retry_after_s,
)
from .hosted import HostedBackend
from .http import Answer, Form, FormFile, HTTPWire, StreamAnswer, Wire
from .job_ids import is_job_id, job_id_in
from .keyed import KeyedAccount, Vendor
from .media_answers import MAX_MEDIA_BYTES, fetched, media_type_of, picture_in, refuse_document
from .notes import Notes
from .picture import picture_problem
from .rate_limits import rate_limits, tell_limits
from .reading import OR_NONE, first_problem, json_in
from .secrets import Key, KeySource, KnownSecrets, Secret, redactor
from .sse import SSEEvent, server_sent_events
from .vendor_options import merge_extra, vendor_options

__all__ = [
    "MAX_MEDIA_BYTES",
    "OR_NONE",
    "STATUS_ROWS",
    "Answer",
    "Credential",
    "Downloader",
    "ErrorRow",
    "Failure",
    "Form",
    "FormFile",
    "HTTPWire",
    "HostedAccount",
    "HostedBackend",
    "Key",
    "KeySource",
    "KeyedAccount",
    "KnownSecrets",
    "MediaPolicy",
    "Notes",
    "SSEEvent",
    "Secret",
    "StreamAnswer",
    "Vendor",
    "Wire",
    "billed",
    "decode_base64",
    "encode_json",
    "error_for",
    "failure_from",
    "failure_in",
    "fetched",
    "first_problem",
    "floats_from_base64",
    "is_job_id",
    "job_id_in",
    "json_in",
    "media_type_of",
    "merge_extra",
    "picture_in",
    "picture_problem",
    "rate_limits",
    "redactor",
    "refuse_document",
    "request_id_of",
    "retry_after_s",
    "server_sent_events",
    "tell_limits",
    "vendor_options",
]
