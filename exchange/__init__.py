"""What must not be lost: store, log, outbox, inbox, evidence parts, people, guard, auditor."""
