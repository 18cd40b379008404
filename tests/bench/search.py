"""Loads on one subject, and the search for the highest that it takes without loss."""
import math

STEP_FACTOR = 1.02      # between two neighbouring loads of the search
LOWEST = 10000


class Loads:
    """Trials on a bed. A load that loses too much gets a second chance: a moment that the machine
    spent elsewhere is not what a subject is measured by."""

    def __init__(self, traffic, seconds, step=STEP_FACTOR):
        self.traffic, self.seconds, self.step = traffic, seconds, step
        self.lost = {}   # of a load, by its place on the scale: the smaller share of two trials

    def goodput(self, rate):
        """Packets a second that arrived, of so many offered (0: as many as go)."""
        said = self.traffic.run(rate, self.seconds)
        if said["wrong"]:
            raise RuntimeError(f"{said['wrong']} packets arrived, but not as they should: {said}")
        return said["delivered"] / said["seconds"]

    def _loss(self, rate):
        said = self.traffic.run(rate, self.seconds)
        return 1 - said["delivered"] / said["offered"]

    def _rate(self, place):
        return LOWEST * self.step ** place

    def _takes(self, place, limit):
        if self.lost.get(place, 1) > limit:
            for _ in range(2):
                self.lost[place] = min(self.lost.get(place, 1), self._loss(self._rate(place)))
                if self.lost[place] <= limit:
                    break
        return self.lost[place] <= limit

    def loss_free(self, limit, guess):
        """The highest load, in packets a second, of which no more than `limit` gets lost, near a
        guess; 0 where even the lowest loses more."""
        def place_of(rate):
            return max(0, round(math.log(rate / LOWEST, self.step)))

        low, high = place_of(guess * 0.7), place_of(guess * 1.15)
        while low and not self._takes(low, limit):
            low, high = max(0, 2 * low - high), low
        if not self._takes(low, limit):
            return 0
        while self._takes(high, limit):
            low, high = high, 2 * high - low
        while high - low > 1:
            middle = (low + high) // 2
            if self._takes(middle, limit):
                low = middle
            else:
                high = middle
        return self._rate(low)
