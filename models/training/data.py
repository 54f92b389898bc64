"""Frames of many rounds, split by seed; what both models see of a picture.

A split is stored once in the work folder as a list of dicts: `jpeg`, `state`,
`settling`, `boxes`, `seed`, `cycle`.
"""

import io
import pickle
import random

import torch
from PIL import Image, ImageEnhance

import classifier
import detector
import game

# Whole rounds: no seed is in two splits.
SEEDS = {"train": range(0, 600), "calibration": range(1000, 1080), "test": range(2000, 2120)}
STREAM_STEP = 8  # cycles between the frames of calibration and test: 1.875 a second


def chosen(seed, last):
    """The cycles of a training round: five of it, four just before its end, six after it."""
    chance = random.Random(f"frames of {seed}")
    whole, tail, after = range(last), range(max(0, last - 30), last), range(last, last + game.EPILOGUE)
    return {
        *chance.sample(whole, min(5, len(whole))),
        *chance.sample(tail, min(4, len(tail))),
        *chance.sample(after, 6),
    }


def record(split):
    """Plays the rounds of a split and keeps their frames."""
    kept = []
    for seed in SEEDS[split]:
        chance = random.Random(f"quality of {seed}")
        wanted = chosen(seed, game.ending(seed)[1]) if split == "train" else None
        for frame in game.frames(seed):
            take = frame.cycle in wanted if wanted else frame.cycle % STREAM_STEP == 0
            if take:
                quality = chance.randint(55, 95) if split == "train" else 75
                kept.append(
                    {
                        "jpeg": frame.jpeg(quality),
                        "state": classifier.CLASSES.index(frame.state),
                        "settling": frame.settling,
                        "boxes": frame.boxes,
                        "seed": seed,
                        "cycle": frame.cycle,
                    }
                )
    return kept


def split(name, work):
    """A split's frames, recorded at the first use."""
    path = work / f"{name}.frames"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(record(name)))
    return pickle.loads(path.read_bytes())


def open_jpeg(data):
    return Image.open(io.BytesIO(data)).convert("RGB")


def tensor(image):
    """[3, H, W] of bytes."""
    flat = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return flat.view(image.height, image.width, 3).permute(2, 0, 1).contiguous()


def centre_crop(image, size=classifier.SIZE):
    """The classifier's view: the centre square, short side to `size`."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    return image.resize((size, size), Image.BILINEAR, box=box)


def letterbox(image, size=detector.SIZE):
    """The detector's view, and (scale, left, top) that takes a point into it."""
    scale = min(size / image.height, size / image.width)
    width, height = round(image.width * scale), round(image.height * scale)
    left, top = (size - width) // 2, (size - height) // 2
    canvas = Image.new("RGB", (size, size), (114, 114, 114))
    canvas.paste(image.resize((width, height), Image.BILINEAR), (left, top))
    return canvas, (scale, left, top)


def recolour(image, chance):
    """Brightness, contrast and saturation, each by up to a quarter."""
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = kind(image).enhance(chance.uniform(0.75, 1.25))
    return image


def classifier_view(frame, chance, size=classifier.SIZE):
    """The classifier's view for training: a small crop that keeps the lower edge.

    A breach shows at the lower edge, so the crop takes from the top and the sides only.
    """
    image = open_jpeg(frame["jpeg"])
    side = image.height * chance.uniform(0.95, 1)
    left = (image.width - side) / 2 + chance.uniform(-6, 6)
    box = (left, image.height - side, left + side, image.height)
    image = image.resize((size, size), Image.BILINEAR, box=box)
    if chance.random() < 0.5:
        image = image.transpose(Image.FLIP_LEFT_RIGHT)
    return tensor(recolour(image, chance))


def place(frame, chance, scale, size, focus):
    """A crop of `size` around `focus` (in the picture) at a scale, and its boxes."""
    image = open_jpeg(frame["jpeg"])
    side = size / scale
    left, top = focus[0] - side / 2, focus[1] - side / 2
    box = tuple(round(v) for v in (left, top, left + side, top + side))
    cut = Image.new("RGB", (box[2] - box[0], box[3] - box[1]), (114, 114, 114))
    cut.paste(image, (-box[0], -box[1]))
    cut = cut.resize((size, size), Image.BILINEAR)
    scale = size / (box[2] - box[0])
    return mirror(recolour(cut, chance), shift(frame["boxes"], scale, box[0], box[1], size), chance)


def shift(boxes, scale, left, top, size):
    """Boxes in a crop's pixels; what is less than a third inside is left out."""
    kept = []
    for name, *corners in boxes:
        x1, y1, x2, y2 = ((c - o) * scale for c, o in zip(corners, (left, top, left, top)))
        inside = [min(max(v, 0), size) for v in (x1, y1, x2, y2)]
        seen = (inside[2] - inside[0]) * (inside[3] - inside[1])
        if seen * 3 >= (x2 - x1) * (y2 - y1):
            kept.append((name, *inside))
    return kept


def mirror(image, boxes, chance):
    """Flipped left to right, half of the time."""
    if chance.random() < 0.5:
        return image, boxes
    width = image.width
    flipped = [(n, width - x2, y1, width - x1, y2) for n, x1, y1, x2, y2 in boxes]
    return image.transpose(Image.FLIP_LEFT_RIGHT), flipped


def detector_view(frames, chance, plain, size=detector.SIZE):
    """A training canvas and its boxes: four crops, one enlarged crop, or a letterbox.

    A letterbox is mostly padding and wall; four crops of the arena teach four times
    as much in the same time. `plain` asks for letterboxes only.
    """
    kind = 1 if plain else chance.random()
    if kind < 0.65:
        half, canvas, boxes = size // 2, Image.new("RGB", (size, size)), []
        for left, top in ((0, 0), (half, 0), (0, half), (half, half)):
            focus = (chance.uniform(250, 390), chance.uniform(130, 230))
            part, found = place(chance.choice(frames), chance, chance.uniform(0.4, 0.65), half, focus)
            canvas.paste(part, (left, top))
            boxes += [(n, a + left, b + top, c + left, d + top) for n, a, b, c, d in found]
    elif kind < 0.8:
        focus = (chance.uniform(200, 440), chance.uniform(60, 300))
        canvas, boxes = place(chance.choice(frames), chance, chance.uniform(0.7, 1.6), size, focus)
    else:
        frame = chance.choice(frames)
        canvas, (scale, left, top) = letterbox(recolour(open_jpeg(frame["jpeg"]), chance), size)
        boxes = shift(frame["boxes"], scale, -left / scale, -top / scale, size)
        canvas, boxes = mirror(canvas, boxes, chance)
    return tensor(canvas), torch.tensor(boxes, dtype=torch.float32).view(-1, 5)
