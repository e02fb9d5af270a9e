"""What officers and systems do with messages: drafts, approval by a second person, reading, papers, duties; each act is logged.

    cases        every act on a message; compose: a draft from a form; papers: what a conversation consists of
    people       who may do what; acts: how it is logged; nametable: who stands behind a pseudonym
    unattended   what nobody has answered; once: the same request twice is one
"""
