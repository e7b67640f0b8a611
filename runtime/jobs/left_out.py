"""The images that could not be read, by any of the workers of a job."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from runtime.data.source import Bad, Source, too_many
from runtime.jobs.world import SOLO, World


@dataclass
class LeftOut:
    """What `source` was found unable to read, over all workers; each image once, whoever met it."""

    source: Source
    world: World = SOLO
    most: int = 0
    all: list[Bad] = field(default_factory=list)
    _told: int = 0

    def news(self) -> list[Bad]:
        """Those that are new since the last call, in order of worker; every worker calls it and gets the same.

        CMT-503 if by now there are more than `most`: a worker alone counts only what it met itself.
        """
        mine, self._told = self.source.bad[self._told :], len(self.source.bad)
        known, new = {bad.name for bad in self.all}, []
        for found in self.world.everyone([asdict(bad) for bad in mine]):
            for bad in (Bad(**one) for one in found):
                if bad.name not in known:
                    known.add(bad.name)
                    new.append(bad)
        self.all += new
        if new and len(self.all) > self.most:
            raise too_many(new[-1], len(self.all), self.most)
        return new
