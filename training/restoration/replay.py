"""Replay buffer of the restoration network: the places drawn last, to draw training batches from."""

import numpy as np
import torch
from torch import Tensor

from receiver.rendering.restoration.features import FEATURES, LEVELS
from receiver.rendering.restoration.network import ESTIMATED, RestorationNetwork
from training.restoration.data import Sampler

#: Goals are clipped to this many typical distances.
FARTHEST = 8


class ReplayBuffer:
    """Ring buffer of the places drawn last, for each level.

    Args:
        network: the network in training; its spreads scale the goals.
        kept: capacity in places per level.
        seed: random seed of the batches.
    """

    def __init__(self, network: RestorationNetwork, kept: int, seed: int) -> None:
        self.network = network
        self.shown = np.zeros((LEVELS, kept, FEATURES), np.float16)
        self.goals = np.zeros((LEVELS, kept, ESTIMATED), np.float16)
        self.weights = np.zeros((LEVELS, kept), np.float16)
        self.count = [0] * LEVELS
        self.random = np.random.default_rng(seed)

    def add(self, sampler: Sampler, pictures: int) -> None:
        """Draw places of more pictures; overwrite the oldest places."""
        for _ in range(pictures):
            drawn = sampler.draw()
            found, usual = 0.0, 0.0
            goals = []
            for level, places in enumerate(drawn):
                estimator = self.network.by_level[level]
                spreads = estimator.spreads(*places.planes).numpy()
                goals.append(np.clip(places.goals[:, : len(spreads)] / spreads, -FARTHEST, FARTHEST))
                found += float(np.square(places.goals[:, ::3]).mean()) / 4**level
                usual += float(spreads[0]) ** 2 / 4**level
            # Gains are measured in dB, so an error weighs more in a picture with small errors.
            weight = min(1.3 * usual / (found + 0.3 * usual), 4.0)
            for level, (places, goal) in enumerate(zip(drawn, goals, strict=True)):
                rows = (self.count[level] + np.arange(len(goal))) % self.shown.shape[1]
                self.shown[level, rows], self.weights[level, rows] = places.shown, weight
                self.goals[level, rows, : goal.shape[1]] = goal
                self.count[level] += len(goal)

    def batch(self, level: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw random places of a level: features (N, FEATURES), goals (N, 9) in typical distances, weights (N,)."""
        rows = self.random.integers(0, min(self.count[level], self.shown.shape[1]), size)
        parts = (self.shown[level, rows], self.goals[level, rows], self.weights[level, rows])
        shown, goals, weights = (torch.from_numpy(part.astype(np.float32)) for part in parts)
        return shown, goals, weights

    def standardise(self) -> None:
        """Set the estimators' means and deviations to those of the features in the buffer."""
        for level in range(LEVELS):
            estimator = self.network.by_level[level]
            shown = self.shown[level, : self.count[level]].astype(np.float32)
            estimator.mean.copy_(torch.from_numpy(shown.mean(0)))
            estimator.deviation.copy_(torch.from_numpy(shown.std(0) + 0.02))
