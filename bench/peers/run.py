"""Ours and real peers on this machine, in turn, in one session: medians, spread, and how many times faster.

    python bench/peers/run.py --rounds 3 --seconds 15 --peers .peers --rogatory .venv/bin/rogatory

First the S/MIME peer looks for its best of 1, 8 and 16 sessions; then ours, S/MIME and AS2 take turns, so that whatever else the
machine does meets all alike. Ours gives a signed, logged receipt for each message, AS2 a signed one, mail none. Last line: one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
SESSIONS = (1, 8, 16)


def run(*command: str) -> dict[str, float]:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def spread(rates: list[float]) -> dict[str, float]:
    return {"median": median(rates), "least": min(rates), "most": max(rates)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0, help="of ours, in each round")
    parser.add_argument("--messages", type=int, default=800, help="of the S/MIME peer, in each round")
    parser.add_argument("--as2-messages", type=int, default=100)
    parser.add_argument("--peers", type=Path, default=Path(".peers"))
    parser.add_argument("--rogatory", default=".venv/bin/rogatory")
    given = parser.parse_args()

    def smime(sessions: int, messages: int) -> dict[str, float]:
        found = run(str(given.peers / "smime/bin/python"), str(HERE / "smime.py"), "--messages", str(messages), "--sessions", str(sessions))
        if found["lost"]:
            print(f"S/MIME: {found['lost']} of {messages} were not delivered", file=sys.stderr)
        return found

    tried = {sessions: smime(sessions, given.messages // 2)["messages_per_second"] for sessions in SESSIONS}
    best = max(tried, key=tried.__getitem__)
    print(f"S/MIME by sessions: {tried}", file=sys.stderr)
    rates: dict[str, list[float]] = {"rogatory": [], "smime": [], "as2": []}
    for number in range(given.rounds):
        rates["rogatory"].append(run(given.rogatory, "bench", "exchange", "--seconds", str(given.seconds), "--json")["messages_per_second"])
        rates["smime"].append(smime(best, given.messages)["messages_per_second"])
        as2 = run(str(given.peers / "as2/bin/python"), str(HERE / "as2.py"), "--messages", str(given.as2_messages))
        rates["as2"].append(as2["messages_per_second"])
        print(f"round {number + 1}: " + ", ".join(f"{name} {found[-1]}" for name, found in rates.items()), file=sys.stderr)
    result: dict[str, object] = {name: spread(found) for name, found in rates.items()}
    result |= {"smime_sessions": best, "smime_by_sessions": tried, "rounds": given.rounds}
    for peer in ("smime", "as2"):
        result[f"ratio_to_{peer}"] = round(median(rates["rogatory"]) / median(rates[peer]), 1)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
