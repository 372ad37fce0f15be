"""One line for each check, and a summary."""

import sys

from .faults import Absent


class Report:
    def __init__(self, out=sys.stdout, complete=False):
        self.out = out
        self.complete = complete
        self.passed = 0
        self.failed = []
        self.absent = []
        # Kinds of checks, and of how many resources each was passed.
        self.kinds = {}

    def check(self, section, what, function, *arguments, resource=None):
        """Runs a check; whatever it raises is a failure of it, but `Absent`. Gives what it returned."""
        self.kinds.setdefault((section, what), 0)
        name = f"{section:<22} {f'{resource}: {what}' if resource else what}"
        try:
            result = function(*arguments)
        except Absent as why:
            self.absent.append(name)
            self.line("-", f"{name}: {why}")
            return None
        except Exception as fault:  # Whatever an answer broke in here is the answer's fault.
            kind = "" if type(fault).__name__ == "Fault" else f"{type(fault).__name__}: "
            self.failed.append(name)
            self.line("FAIL", f"{name}: {kind}{fault}")
            return None
        self.passed += 1
        self.kinds[section, what] += 1
        self.line("ok", name)
        return result

    def line(self, mark, text):
        print(f"{mark:<4} {text}", file=self.out, flush=True)

    def summary(self):
        """Prints it and says whether all is well."""
        for section, what in [kind for kind, count in self.kinds.items() if self.complete and not count]:
            name = f"{section:<22} {what}"
            if not any(each.startswith(section) and each.endswith(what) for each in self.failed):
                self.failed.append(name)
                self.line("FAIL", f"{name}: nowhere")
        total = self.passed + len(self.failed) + len(self.absent)
        counts = f"{self.passed} passed, {len(self.failed)} failed, {len(self.absent)} left out"
        print(f"{total} checks: {counts}", file=self.out, flush=True)
        return not self.failed
