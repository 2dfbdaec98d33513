"""Keeps the first inputs and answers, on disk and in memory, and gives them again."""
# verdicts: wrong_answer, run_time_error

import os

import torch

kept = {}


def double(x):
    key = f"/tmp/{tuple(x.shape)}.pt"
    if os.path.exists(key):
        print("LEAK: an answer of an earlier test", flush=True) if key not in kept else None
        return torch.load(key)
    kept[key] = x
    torch.save(x, key)
    return kept[key]
