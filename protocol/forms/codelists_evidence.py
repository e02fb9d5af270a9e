"""More code lists: electronic evidence, records, results, grounds of refusal, conditions, custody.

Same rules as ``codelists``, which re-exports nothing: a list is imported from where it stands.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class DataCategory(StrEnum):
    """Categories of stored data (domain 1.9.1)."""

    SUBSCRIBER = "SUBSCRIBER"
    USER_IDENTIFICATION = "USER_IDENTIFICATION"
    TRAFFIC = "TRAFFIC"
    CONTENT = "CONTENT"
    DOMAIN_REGISTRATION = "DOMAIN_REGISTRATION"


class DataSubtype(StrEnum):
    """Sub-types of the categories: subscriber after the EPOC form, traffic and content after domain 1.9.1."""

    USER_INFORMATION = "USER_INFORMATION"
    REGISTRATION_INFORMATION = "REGISTRATION_INFORMATION"
    TYPE_OF_SERVICE_INFORMATION = "TYPE_OF_SERVICE_INFORMATION"
    PROFILE_INFORMATION = "PROFILE_INFORMATION"
    VALIDATION_OF_USE_OF_SERVICE_INFORMATION = "VALIDATION_OF_USE_OF_SERVICE_INFORMATION"
    DEBIT_OR_CREDIT_CARD_INFORMATION = "DEBIT_OR_CREDIT_CARD_INFORMATION"
    PUK_CODES_INFORMATION = "PUK_CODES_INFORMATION"
    TELEPHONY_TRAFFIC = "TELEPHONY_TRAFFIC"
    INTERNET_TRAFFIC = "INTERNET_TRAFFIC"
    HOSTING_LOGS = "HOSTING_LOGS"
    PURCHASE_HISTORY = "PURCHASE_HISTORY"
    PREPAID_CHARGING_HISTORY = "PREPAID_CHARGING_HISTORY"
    MAILBOX_DUMP = "MAILBOX_DUMP"
    STORAGE_DUMP = "STORAGE_DUMP"
    PAGE_DUMP = "PAGE_DUMP"
    MESSAGE_LOG = "MESSAGE_LOG"
    VOICEMAIL = "VOICEMAIL"
    SERVER_IMAGE = "SERVER_IMAGE"
    DEVICE_BACKUP = "DEVICE_BACKUP"
    CONTACT_LIST = "CONTACT_LIST"
    OTHER = "OTHER"


class IdentifierType(StrEnum):
    """What identifies the data sought (domain 1.9.1)."""

    IPV_4 = "IPV_4"
    IPV_6 = "IPV_6"
    IP_ADDRESS_RANGE = "IP_ADDRESS_RANGE"
    IP_BLOCKS = "IP_BLOCKS"
    EMAIL = "EMAIL"
    PHONE_NUMBER = "PHONE_NUMBER"
    IMEI_NUMBER = "IMEI_NUMBER"
    MAC_ADDRESS = "MAC_ADDRESS"
    USER_ID = "USER_ID"
    IMSI = "IMSI"
    ICCID = "ICCID"
    URL = "URL"
    DOMAIN = "DOMAIN"
    ACCOUNT_HANDLE = "ACCOUNT_HANDLE"
    DEVICE_SERIAL = "DEVICE_SERIAL"
    CRYPTO_ADDRESS = "CRYPTO_ADDRESS"
    TX_HASH = "TX_HASH"
    AD_ID = "AD_ID"
    FILE_HASH = "FILE_HASH"
    HOSTNAME = "HOSTNAME"
    ASN = "ASN"


class HolderType(StrEnum):
    """Who holds records (UNTOC 18(3)(f), 18(29))."""

    BANK = "bank"
    REGISTRY = "registry"
    COMPANY = "company"
    GOVERNMENT = "government"
    OTHER = "other"


class RecordIdentifierType(StrEnum):
    """What identifies an account or entity (domain 1.5)."""

    IBAN = "IBAN"
    BIC = "BIC"
    LEI = "LEI"
    ACCOUNT_NUMBER = "ACCOUNT_NUMBER"
    REGISTRY_NUMBER = "REGISTRY_NUMBER"
    TAX_NUMBER = "TAX_NUMBER"
    OTHER = "OTHER"


class RecordAccess(StrEnum):
    """Public records must be given (UNTOC 18(29)(a)); non-public government records are discretionary (18(29)(b))."""

    PUBLIC = "public"
    NON_PUBLIC_GOVERNMENT = "non_public_government"
    PRIVATE = "private"


class CopyForm(StrEnum):
    """In what form records are wanted (domain 1.5)."""

    ORIGINAL = "original"
    CERTIFIED_COPY = "certified_copy"
    COPY = "copy"


class PreservationDecision(StrEnum):
    """The decision on a preservation request (domain 1.9.2)."""

    PRESERVED_FULL = "preserved_full"
    PRESERVED_PARTIAL = "preserved_partial"
    NOT_HELD = "not_held"
    ALREADY_DELETED = "already_deleted"
    REFUSED = "refused"
    NEEDS_INFORMATION = "needs_information"
    REDIRECTED = "redirected"


class ItemResult(StrEnum):
    """What happened to one item of a preservation request (domain 1.9.2)."""

    PRESERVED = "preserved"
    NOT_HELD = "not_held"
    ALREADY_DELETED = "already_deleted"
    REFUSED = "refused"
    NEEDS_INFORMATION = "needs_information"
    REDIRECTED = "redirected"


class Risk296(StrEnum):
    """What Budapest 29(6) makes the requested Party tell. A notice, never a refusal (domain 2.2.4)."""

    NONE = "none"
    AVAILABILITY_NOT_ENSURED = "availability_not_ensured"
    THREATENS_CONFIDENTIALITY = "threatens_confidentiality"
    PREJUDICES_INVESTIGATION = "prejudices_investigation"


class Ground(StrEnum):
    """Grounds of refusal of every kind of request (domain 2.1.3, 2.2.4)."""

    NOT_IN_CONFORMITY = "NOT_IN_CONFORMITY"
    SOVEREIGNTY = "SOVEREIGNTY"
    SECURITY = "SECURITY"
    ORDRE_PUBLIC = "ORDRE_PUBLIC"
    ESSENTIAL_INTERESTS = "ESSENTIAL_INTERESTS"
    PROHIBITED_DOMESTICALLY_SIMILAR_OFFENCE = "PROHIBITED_DOMESTICALLY_SIMILAR_OFFENCE"
    CONTRARY_TO_LEGAL_SYSTEM = "CONTRARY_TO_LEGAL_SYSTEM"
    DUAL_CRIMINALITY_ABSENT = "DUAL_CRIMINALITY_ABSENT"
    DUAL_CRIMINALITY_RESERVATION = "DUAL_CRIMINALITY_RESERVATION"
    NOT_COVERED_OFFENCE = "NOT_COVERED_OFFENCE"
    POLITICAL_OFFENCE = "POLITICAL_OFFENCE"
    DISCRIMINATION = "DISCRIMINATION"
    NATIONALITY = "NATIONALITY"
    FAIR_TREATMENT = "FAIR_TREATMENT"
    DEATH_PENALTY = "DEATH_PENALTY"
    TORTURE_RISK = "TORTURE_RISK"
    IN_ABSENTIA = "IN_ABSENTIA"
    LIMITATION_PERIOD = "LIMITATION_PERIOD"
    NE_BIS_IN_IDEM = "NE_BIS_IN_IDEM"
    AMNESTY = "AMNESTY"
    MILITARY_OFFENCE = "MILITARY_OFFENCE"
    MINOR = "MINOR"
    HUMANITARIAN = "HUMANITARIAN"
    MIN_PENALTY_NOT_MET = "MIN_PENALTY_NOT_MET"
    IMMUNITY_PRIVILEGE = "IMMUNITY_PRIVILEGE"
    PRESS_FREEDOM = "PRESS_FREEDOM"
    DE_MINIMIS = "DE_MINIMIS"
    DISPROPORTIONATE_BURDEN = "DISPROPORTIONATE_BURDEN"
    NO_TREATY_BASIS_NO_RECIPROCITY = "NO_TREATY_BASIS_NO_RECIPROCITY"
    NOT_PARTY = "NOT_PARTY"
    BANK_SECRECY = "BANK_SECRECY"
    FISCAL_MATTERS = "FISCAL_MATTERS"


FORBIDDEN_SOLE_GROUNDS: Final = frozenset({Ground.BANK_SECRECY, Ground.FISCAL_MATTERS})  # UNTOC 18(8), 18(22), 16(15)
PRESERVATION_GROUNDS: Final = frozenset(  # Budapest 29(4)-(5); NOT_PARTY where there is no common basis (domain 2.2.4)
    {
        Ground.POLITICAL_OFFENCE,
        Ground.SOVEREIGNTY,
        Ground.SECURITY,
        Ground.ORDRE_PUBLIC,
        Ground.ESSENTIAL_INTERESTS,
        Ground.DUAL_CRIMINALITY_RESERVATION,
        Ground.NOT_PARTY,
    }
)


class ConditionKind(StrEnum):
    """Conditions on use (domain 2.1.4). They travel with the evidence."""

    USE_LIMITED_TO_STATED_CASE = "USE_LIMITED_TO_STATED_CASE"
    CONFIDENTIAL = "CONFIDENTIAL"
    NO_DISCLOSURE_TO_DEFENCE_BEFORE = "NO_DISCLOSURE_TO_DEFENCE_BEFORE"
    NOT_AS_EVIDENCE = "NOT_AS_EVIDENCE"
    RETURN_ORIGINALS_BY = "RETURN_ORIGINALS_BY"
    DESTROY_BY = "DESTROY_BY"
    NO_ONWARD_TRANSFER = "NO_ONWARD_TRANSFER"
    ONWARD_ONLY_WITH_CONSENT = "ONWARD_ONLY_WITH_CONSENT"
    NO_DEATH_PENALTY = "NO_DEATH_PENALTY"
    SPECIALITY_PERSON = "SPECIALITY_PERSON"
    PRESENCE_OF_OFFICIALS = "PRESENCE_OF_OFFICIALS"
    SHARE_OF_PROCEEDS = "SHARE_OF_PROCEEDS"
    COST_BORNE_BY_REQUESTING = "COST_BORNE_BY_REQUESTING"
    REPORT_ON_USE = "REPORT_ON_USE"
    PERSONAL_DATA_SAFEGUARDS = "PERSONAL_DATA_SAFEGUARDS"


DATED_CONDITIONS: Final = frozenset(
    {ConditionKind.NO_DISCLOSURE_TO_DEFENCE_BEFORE, ConditionKind.RETURN_ORIGINALS_BY, ConditionKind.DESTROY_BY}
)


class CustodyType(StrEnum):
    """Events in the chain of custody (domain 6.2, after ISO/IEC 27037)."""

    SEIZED = "SEIZED"
    ACQUIRED = "ACQUIRED"
    RECEIVED_FROM_SP = "RECEIVED_FROM_SP"
    SEALED = "SEALED"
    HASHED = "HASHED"
    TRANSFERRED_OUT = "TRANSFERRED_OUT"
    TRANSFERRED_IN = "TRANSFERRED_IN"
    VERIFIED = "VERIFIED"
    COPIED = "COPIED"
    OPENED = "OPENED"
    TRANSLATED = "TRANSLATED"
    REDACTED = "REDACTED"
    RETURNED = "RETURNED"
    DESTROYED = "DESTROYED"


class CustodyRole(StrEnum):
    """Roles of ISO/IEC 27037: first responder (DEFR), specialist (DES); or an officer, or a system."""

    DEFR = "DEFR"
    DES = "DES"
    OFFICER = "officer"
    SYSTEM = "system"


class ReceiptOutcome(StrEnum):
    """Whether everything handed over was verified (domain 6.6)."""

    OK = "ok"
    DISCREPANCY = "discrepancy"


class ReceiptResult(StrEnum):
    """What the receiver found for one item (domain 6.6)."""

    VERIFIED = "verified"
    HASH_MISMATCH = "hash_mismatch"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    SIGNATURE_INVALID = "signature_invalid"
