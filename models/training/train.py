"""Trains the detector from random weights, then the classifier from its backbone.

    python train.py --work work

The two backbones are the same layers. A state such as `dead` is about sprites of 9
pixels, and whole-picture labels alone teach that slowly: from random weights, the
classifier's loss had only fallen from 1.4 to about 0.8 after 400 steps.
Records the frames first (work/*.frames), then writes work/MODEL.pt and
work/MODEL.json, which export.py turns into what ships.
"""

import argparse
import json
import multiprocessing
import random
import time
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

import data
import metrics
from classifier import Classifier
from detector import SIZE, Detector, anchors
from export import rounded
from loss import detector_loss

# Steps are counted, not timed, so that a seed gives the same weights again. With one
# thread, PyTorch takes its slow path for 1x1 convolutions when a batch is below 16.
PLANS = {
    "detector": {"steps": 400, "batch": 16, "rate": 3e-3, "decay": 0.01},
    "classifier": {"steps": 500, "batch": 32, "rate": 1.5e-3, "decay": 0.02},
}
PLAIN = 0.85  # from this share of the steps on, the detector sees whole pictures only
LAYOUT = torch.channels_last  # the faster one on a CPU
SHARES = torch.tensor([0.4, 0.2, 0.2, 0.2])  # of the states in a batch of the classifier


def schedule(model, plan):
    """AdamW without decay on vectors, and a rate that rises for a tenth, then falls to 0."""
    flat = [p for p in model.parameters() if p.ndim == 1]
    rest = [p for p in model.parameters() if p.ndim > 1]
    groups = [{"params": rest, "weight_decay": plan["decay"]}, {"params": flat, "weight_decay": 0}]
    optimiser = torch.optim.AdamW(groups, lr=plan["rate"])
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, plan["rate"], plan["steps"], pct_start=0.1, cycle_momentum=False
    )
    return optimiser, rates


def step(model, optimiser, rates, loss):
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 10)
    optimiser.step()
    rates.step()


def batch(views):
    """Stacked views of bytes as RGB / 255."""
    return torch.stack(views).float().div(255).contiguous(memory_format=LAYOUT)


def train_classifier(work, plan):
    frames = [f for f in data.split("train", work) if not f["settling"]]
    by_state = [[f for f in frames if f["state"] == state] for state in range(len(SHARES))]
    print("classifier frames", [len(of) for of in by_state], flush=True)
    chance, model = random.Random("classifier"), Classifier().to(memory_format=LAYOUT).train()
    learned = torch.load(work / "detector.pt")
    backbone = {k: v for k, v in learned.items() if int(k.split(".")[1]) < 9}
    missing = model.load_state_dict(backbone, strict=False).missing_keys
    assert all(key.startswith("model.9.") for key in missing)
    optimiser, rates = schedule(model, plan)
    for index in range(plan["steps"]):
        states = chance.choices(range(len(SHARES)), SHARES.tolist(), k=plan["batch"])
        views = [data.classifier_view(chance.choice(by_state[s]), chance) for s in states]
        logits = model(batch(views))
        loss = cross_entropy(logits, torch.tensor(states))
        step(model, optimiser, rates, loss)
        if index % 50 == 0:
            print(f"classifier {index} loss {loss.item():.3f}", flush=True)
    return model


def train_detector(work, plan):
    frames = [f for f in data.split("train", work) if f["boxes"]]
    print("detector frames", len(frames), flush=True)
    chance, model = random.Random("detector"), Detector().to(memory_format=LAYOUT).train()
    points, steps = anchors(SIZE, SIZE)
    optimiser, rates = schedule(model, plan)
    for index in range(plan["steps"]):
        plain = index >= PLAIN * plan["steps"]
        views = [data.detector_view(frames, chance, plain) for _ in range(plan["batch"])]
        raw = model(batch([view for view, _ in views]))
        loss, parts = detector_loss(raw, [boxes for _, boxes in views], points, steps)
        step(model, optimiser, rates, loss)
        if index % 20 == 0:
            shown = " ".join(f"{part.item():.3f}" for part in parts)
            print(f"detector {index} loss {loss.item():.3f} = {shown}", flush=True)
    return model


@torch.no_grad()
def classifier_logits(model, frames):
    """The logits of stored frames, and their states."""
    rows = []
    for start in range(0, len(frames), 64):
        views = [data.tensor(data.centre_crop(data.open_jpeg(f["jpeg"]))) for f in frames[start : start + 64]]
        rows.append(model(torch.stack(views).float() / 255))
    return torch.cat(rows), torch.tensor([f["state"] for f in frames])


def train(kind, work):
    """One model, from its seed to work/KIND.pt and work/KIND.json."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.manual_seed(7)
    plan, start = PLANS[kind], time.time()
    run = train_classifier if kind == "classifier" else train_detector
    model = run(work, plan).eval()
    print(f"{kind} took {time.time() - start:.0f} s, {time.process_time():.0f} s of CPU", flush=True)
    torch.save(model.state_dict(), work / f"{kind}.pt")
    rounds = len(data.SEEDS["train"])
    about = {
        "training": f"models/training, {rounds} rounds of Knights-Archers-Zombies, "
        f"{plan['steps']} steps of {plan['batch']}, "
        + ("from random weights" if kind == "detector" else "from the detector's backbone")
    }
    if kind == "classifier":
        # with the settling frames: a stream has them too, and without one mistake in the
        # split the temperature of least loss would be 0
        logits, states = classifier_logits(rounded(model), data.split("calibration", work))
        about["temperature"] = str(metrics.fit_temperature(logits, states))
    (work / f"{kind}.json").write_text(json.dumps(about, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--only", choices=PLANS)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with multiprocessing.get_context("spawn").Pool(options.threads) as pool:
        pool.map(record, [(split, options.work) for split in data.SEEDS], chunksize=1)
    for kind in [options.only] if options.only else PLANS:
        train(kind, options.work)


def record(job):
    """Records a split if it is not there yet."""
    data.split(*job)


if __name__ == "__main__":
    main()
