"""The code lists of the forms: kinds, urgency, legal bases, roles, data categories, identifiers, grounds and results.

A code is never renamed or reused; a list may grow. Article numbers are UNTOC's unless another instrument is named.
Docstrings of the lists give their source, since a list is quoted in the JSON Schema of every form that uses it.
"""

from __future__ import annotations

from enum import StrEnum


class RequestKind(StrEnum):
    """Every kind of request (domain 1.0). Which of them have a form today is ``registry.KINDS``."""

    EXTRADITION = "EXTRADITION"  # 16
    PROVISIONAL_ARREST = "PROVISIONAL_ARREST"  # 16(9)
    TRANSFER_SENTENCED = "TRANSFER_SENTENCED"  # 17
    TRANSFER_PROCEEDINGS = "TRANSFER_PROCEEDINGS"  # 21
    MLA_STATEMENT = "MLA_STATEMENT"  # 18(3)(a)
    MLA_SERVICE = "MLA_SERVICE"  # 18(3)(b)
    MLA_SEARCH_SEIZE = "MLA_SEARCH_SEIZE"  # 18(3)(c)
    MLA_EXAMINE = "MLA_EXAMINE"  # 18(3)(d)
    MLA_INFO_EXPERT = "MLA_INFO_EXPERT"  # 18(3)(e)
    MLA_RECORDS = "MLA_RECORDS"  # 18(3)(f), 18(29)
    MLA_TRACE = "MLA_TRACE"  # 18(3)(g)
    MLA_APPEARANCE = "MLA_APPEARANCE"  # 18(3)(h), 18(27)
    MLA_DETAINED_TRANSFER = "MLA_DETAINED_TRANSFER"  # 18(10)-(12)
    MLA_VIDEO = "MLA_VIDEO"  # 18(18)
    MLA_OTHER = "MLA_OTHER"  # 18(3)(i)
    CONF_DOMESTIC_ORDER = "CONF_DOMESTIC_ORDER"  # 13(1)(a)
    CONF_FOREIGN_ORDER = "CONF_FOREIGN_ORDER"  # 13(1)(b)
    CONF_FREEZE = "CONF_FREEZE"  # 13(2)
    ASSET_RETURN = "ASSET_RETURN"  # 14(2)-(3)
    JIT = "JIT"  # 19
    CONTROLLED_DELIVERY = "CONTROLLED_DELIVERY"  # 20(1), (4)
    SPECIAL_TECHNIQUE = "SPECIAL_TECHNIQUE"  # 20(1)-(3)
    LE_COOP = "LE_COOP"  # 27
    SPONTANEOUS = "SPONTANEOUS"  # 18(4)-(5)
    EE_PRESERVE = "EE_PRESERVE"  # 18(3)(i), 27(3); Budapest 29; UNCyber 42
    EE_TRAFFIC_DISCLOSE = "EE_TRAFFIC_DISCLOSE"  # Budapest 30
    EE_ACCESS = "EE_ACCESS"  # 18(3)(c), (e), (f); Budapest 31
    EE_TRAFFIC_RT = "EE_TRAFFIC_RT"  # Budapest 33
    EE_INTERCEPT = "EE_INTERCEPT"  # Budapest 34
    EMERGENCY_DISCLOSE = "EMERGENCY_DISCLOSE"  # Second Additional Protocol 9
    EMERGENCY_MLA = "EMERGENCY_MLA"  # Second Additional Protocol 10
    EE_LOCATE = "EE_LOCATE"  # 27(1)(b); UNCyber 42(2)
    EU_NOTIFY = "EU_NOTIFY"  # EU 2023/1543 art. 8
    EU_ENFORCE = "EU_ENFORCE"  # EU 2023/1543 art. 16


class MessageKind(StrEnum):
    """Every kind of message that is not a request (domain 1.10)."""

    TECH_RECEIPT = "TECH_RECEIPT"
    ACKNOWLEDGEMENT = "ACKNOWLEDGEMENT"
    INFO_REQUEST = "INFO_REQUEST"
    INFO_RESPONSE = "INFO_RESPONSE"
    CONSULT_OPEN = "CONSULT_OPEN"
    CONSULT_NOTE = "CONSULT_NOTE"
    CONSULT_CLOSE = "CONSULT_CLOSE"
    DECISION = "DECISION"
    CONDITIONS_REPLY = "CONDITIONS_REPLY"
    PROGRESS_QUERY = "PROGRESS_QUERY"
    PROGRESS_REPORT = "PROGRESS_REPORT"
    EXECUTION_RESULT = "EXECUTION_RESULT"
    EVIDENCE_HANDOVER = "EVIDENCE_HANDOVER"
    EVIDENCE_RECEIPT = "EVIDENCE_RECEIPT"
    WITHDRAWAL = "WITHDRAWAL"
    NO_LONGER_REQUIRED = "NO_LONGER_REQUIRED"
    REDIRECT = "REDIRECT"
    PRESERVATION_REPLY = "PRESERVATION_REPLY"
    EXTENSION_REQUEST = "EXTENSION_REQUEST"
    EXTENSION_DECISION = "EXTENSION_DECISION"
    RELEASE_REQUEST = "RELEASE_REQUEST"
    RELEASE_NOTICE = "RELEASE_NOTICE"
    EXPIRY_WARNING = "EXPIRY_WARNING"
    MLA_LINKED = "MLA_LINKED"
    TRAFFIC_PATH = "TRAFFIC_PATH"
    CONFIDENTIALITY_CANNOT_COMPLY = "CONFIDENTIALITY_CANNOT_COMPLY"
    USE_CONSENT_REQUEST = "USE_CONSENT_REQUEST"
    USE_CONSENT_DECISION = "USE_CONSENT_DECISION"
    EXCULPATORY_NOTICE = "EXCULPATORY_NOTICE"
    INCIDENT_NOTICE = "INCIDENT_NOTICE"
    COST_PROPOSAL = "COST_PROPOSAL"
    COST_REPLY = "COST_REPLY"
    ORAL_RECORD = "ORAL_RECORD"
    WRITTEN_CONFIRMATION = "WRITTEN_CONFIRMATION"
    FEEDBACK = "FEEDBACK"


class Role(StrEnum):
    """Who acts (domain 0.4)."""

    REQ_INV = "REQ_INV"
    REQ_CA = "REQ_CA"
    REQ_247 = "REQ_247"
    QED_CA = "QED_CA"
    QED_247 = "QED_247"
    QED_EXEC = "QED_EXEC"
    SP = "SP"
    SYS = "SYS"
    AUD = "AUD"


class Instrument(StrEnum):
    """Legal bases (domain 4; spelling after the worked examples)."""

    UNTOC_2000 = "UNTOC_2000"
    UNTOC_TIP_2000 = "UNTOC_TIP_2000"
    UNTOC_SOM_2000 = "UNTOC_SOM_2000"
    UNTOC_FIREARMS_2001 = "UNTOC_FIREARMS_2001"
    UNCAC_2003 = "UNCAC_2003"
    DRUGS_1988 = "DRUGS_1988"
    UNCYBER_2024 = "UNCYBER_2024"
    BUDAPEST_2001 = "BUDAPEST_2001"
    BUDAPEST_2AP_2022 = "BUDAPEST_2AP_2022"
    ETS_24_EXTRADITION = "ETS_24_EXTRADITION"
    ETS_30_MLA = "ETS_30_MLA"
    ETS_73_PROCEEDINGS = "ETS_73_PROCEEDINGS"
    ETS_112_SENTENCED = "ETS_112_SENTENCED"
    EU_2023_1543 = "EU_2023_1543"
    BILATERAL = "BILATERAL"
    REGIONAL = "REGIONAL"
    DOMESTIC_LAW = "DOMESTIC_LAW"


class BasisRelation(StrEnum):
    """How a legal basis is relied on (domain 1.1). The last two are for States without a common treaty."""

    PRIMARY = "primary"
    SUPPLEMENTARY = "supplementary"
    RECIPROCITY = "reciprocity"
    COMITY = "comity"


class OffenceCategory(StrEnum):
    """Offences by instrument: UNTOC art. 3(1) and protocols (domain 1.2), Budapest arts. 2-11, any other."""

    ART5_PARTICIPATION = "ART5_PARTICIPATION"
    ART6_LAUNDERING = "ART6_LAUNDERING"
    ART8_CORRUPTION = "ART8_CORRUPTION"
    ART23_OBSTRUCTION = "ART23_OBSTRUCTION"
    SERIOUS_CRIME = "SERIOUS_CRIME"
    PROTOCOL_TIP = "PROTOCOL_TIP"
    PROTOCOL_SOM = "PROTOCOL_SOM"
    PROTOCOL_FIREARMS = "PROTOCOL_FIREARMS"
    BUDAPEST_2_11 = "BUDAPEST_2_11"
    OTHER = "OTHER"


class UntocScope(StrEnum):
    """Offences that UNTOC covers (art. 3(1), domain 1.2)."""

    ART5_PARTICIPATION = "ART5_PARTICIPATION"
    ART6_LAUNDERING = "ART6_LAUNDERING"
    ART8_CORRUPTION = "ART8_CORRUPTION"
    ART23_OBSTRUCTION = "ART23_OBSTRUCTION"
    SERIOUS_CRIME = "SERIOUS_CRIME"
    PROTOCOL_TIP = "PROTOCOL_TIP"
    PROTOCOL_SOM = "PROTOCOL_SOM"
    PROTOCOL_FIREARMS = "PROTOCOL_FIREARMS"


class Transnational(StrEnum):
    """Why an offence is transnational (UNTOC art. 3(2); art. 18(1) for what lies in the requested State)."""

    COMMITTED_IN_SEVERAL = "COMMITTED_IN_SEVERAL"
    PREPARED_OR_DIRECTED_ELSEWHERE = "PREPARED_OR_DIRECTED_ELSEWHERE"
    GROUP_ACTIVE_IN_SEVERAL = "GROUP_ACTIVE_IN_SEVERAL"
    EFFECTS_ELSEWHERE = "EFFECTS_ELSEWHERE"
    LOCATED_IN_REQUESTED_STATE = "LOCATED_IN_REQUESTED_STATE"


class OffenceDegree(StrEnum):
    """Completed or attempted (domain 1.1)."""

    COMPLETED = "completed"
    ATTEMPT = "attempt"


class ProceedingStage(StrEnum):
    """Where the proceedings stand (UNTOC 18(15)(b))."""

    INVESTIGATION = "investigation"
    PROSECUTION = "prosecution"
    JUDICIAL_PROCEEDING = "judicial_proceeding"
    EXECUTION_OF_SENTENCE = "execution_of_sentence"


class UrgencyLevel(StrEnum):
    """Levels of urgency (domain 1.3; UNTOC 18(13), (14), (24); Second Additional Protocol 3; EU 2023/1543 art. 3(18))."""

    ROUTINE = "ROUTINE"
    PRIORITY = "PRIORITY"
    URGENT = "URGENT"
    EMERGENCY_LIFE = "EMERGENCY_LIFE"
    EMERGENCY_CI = "EMERGENCY_CI"


class DeadlineKind(StrEnum):
    """What stands behind a suggested deadline (UNTOC 18(24), domain 1.1)."""

    HEARING = "hearing"
    LIMITATION_PERIOD = "limitation_period"
    CUSTODY_LIMIT = "custody_limit"
    RETENTION_LIMIT = "retention_limit"
    ARREST_PHASE = "arrest_phase"


class ConfidentialityLevel(StrEnum):
    """UNTOC 18(20)."""

    NORMAL = "normal"
    KEEP_FACT_AND_SUBSTANCE = "keep_fact_and_substance_confidential"


class Relation(StrEnum):
    """How this request relates to another (domain 1.1)."""

    FOLLOWS_PRESERVATION = "follows_preservation"
    SUPPLEMENTS = "supplements"
    REPLACES = "replaces"
    EXTENDS = "extends"
    JOINT_WITH = "joint_with"
    CONFIRMS_ORAL = "confirms_oral"
    CONFIRMS_SPONTANEOUS = "confirms_spontaneous"


class Channel(StrEnum):
    """Channels a State may insist on (UNTOC 18(13))."""

    DIRECT = "direct"
    DIPLOMATIC = "diplomatic"
    INTERPOL = "interpol"
    CONTACT_POINT_247 = "247"


class OralChannel(StrEnum):
    """How an oral request was made (UNTOC 18(14))."""

    PHONE = "phone"
    VIDEO = "video"
    IN_PERSON = "in_person"
    RADIO = "radio"


class PersonRole(StrEnum):
    """A person's part in the matter (domain 1.1; LED 2016/680 art. 6 asks to tell these apart)."""

    SUSPECT = "suspect"
    ACCUSED = "accused"
    CONVICTED = "convicted"
    WITNESS = "witness"
    EXPERT = "expert"
    VICTIM = "victim"
    CUSTODIAN = "custodian"
    ACCOUNT_HOLDER = "account_holder"
    THIRD_PARTY = "third_party"


class Sex(StrEnum):
    """As in travel documents (ICAO 9303)."""

    FEMALE = "F"
    MALE = "M"
    UNSPECIFIED = "X"


class FactOrAssessment(StrEnum):
    """Whether a statement about a person is a fact or an assessment (LED 2016/680 art. 7)."""

    FACT = "fact"
    ASSESSMENT = "assessment"


class UndertakingKind(StrEnum):
    """What the requesting State promises (domain 1.1)."""

    NO_DEATH_PENALTY = "no_death_penalty"
    NO_RE_EXTRADITION = "no_re_extradition"
    SPECIALTY = "specialty"
    RETURN = "return"
    COST = "cost"
    OTHER = "other"


class AttachmentRole(StrEnum):
    """What an attachment is (domain 1.6). Text of law is its own role: several States make it mandatory."""

    DOMESTIC_ORDER = "domestic_order"
    JUDGMENT = "judgment"
    LAW_TEXT = "law_text"
    TRANSLATION = "translation"
    TRANSLATION_CERTIFICATE = "translation_certificate"
    QUESTIONS = "questions"
    IDENTITY_DOCUMENT = "identity_document"
    PHOTO = "photo"
    EVIDENCE_PACKAGE = "evidence_package"
    CERTIFICATE_OF_SERVICE = "certificate_of_service"
    POWER_OF_ATTORNEY = "power_of_attorney"
    MAP = "map"
    OTHER = "other"


class Classification(StrEnum):
    """Common equivalents of national classifications (domain 7.3)."""

    UNCLASSIFIED = "UNCLASSIFIED"
    RESTRICTED = "RESTRICTED"
    CONFIDENTIAL = "CONFIDENTIAL"


class Tlp(StrEnum):
    """Traffic Light Protocol 2.0: a sharing label, not a classification."""

    RED = "RED"
    AMBER_STRICT = "AMBER+STRICT"
    AMBER = "AMBER"
    GREEN = "GREEN"
    CLEAR = "CLEAR"
