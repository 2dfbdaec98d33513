"""See model.py."""

import argparse
import json
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from data import identify_corruption, load_data
from model import build_model, load_model, save_model
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm


def train(args):
    torch.manual_seed(args.seed)
    ds = load_data(args.data_dir, "train")
    print(identify_corruption(ds))
    loader = DataLoader(ds, batch_size=args.batch_size, shuffle=True)
    hparams = {"channels": 8}
    model = build_model(**hparams)
    opt = torch.optim.Adam(model.parameters(), lr=args.lr)
    loss_fn = nn.CrossEntropyLoss()
    losses = []
    for _ in range(args.epochs):
        model.train()
        for x, y in tqdm(loader):
            opt.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            opt.step()
            losses.append(float(loss))
    save_model(model, hparams, args.checkpoint)
    plt.plot(losses)
    plt.xlabel("step")
    plt.ylabel("training loss")
    plt.savefig(args.figure)
    with open(args.metrics, "w") as f:
        json.dump({"losses": losses}, f)


def evaluate(args):
    model = load_model(args.checkpoint)
    ds = load_data(args.data_dir, "test")
    right = 0
    with torch.inference_mode():
        for x, y in DataLoader(ds, batch_size=args.batch_size):
            right += int((model(x).argmax(-1) == y).sum())
    print(f"test accuracy: {right / len(ds) * 100:.1f} % ({right} of {len(ds)})")


def main():
    p = argparse.ArgumentParser()
    sub = p.add_subparsers(required=True)
    t = sub.add_parser("train")
    t.add_argument("--data-dir")
    t.add_argument("--epochs", type=int, default=4)
    t.add_argument("--lr", type=float, default=2e-3)
    t.add_argument("--batch-size", type=int, default=64)
    t.add_argument("--seed", type=int, default=1)
    t.add_argument("--checkpoint", default="model.pt")
    t.add_argument("--figure", default="training_loss.png")
    t.add_argument("--metrics", default="metrics.json")
    t.set_defaults(f=train)
    e = sub.add_parser("evaluate")
    e.add_argument("checkpoint")
    e.add_argument("--data-dir")
    e.add_argument("--batch-size", type=int, default=500)
    e.set_defaults(f=evaluate)
    args = p.parse_args()
    try:
        args.f(args)
    except (ValueError, OSError) as err:
        print("error:", str(err).replace("\n", " "), file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
