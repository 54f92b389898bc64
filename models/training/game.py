"""Rounds of Knights-Archers-Zombies, played without a window, with their truth.

A round is pettingzoo's game on a square arena, so that the classifier's centre
crop sees all of it, and with a wave that ends. It ends in one of three ways:

- `cleared`: the wave is over and no zombie is left;
- `breached`: a zombie stepped over the lower edge; it walks on until half of it
  is outside;
- `dead`: no player is left.

The picture then goes on for five seconds, as a stream's would: the zombies stand
still, living players move, arrows fly on. All that is random comes from the seed.
"""

import io
import os
import random
from dataclasses import dataclass

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import numpy as np
import pygame
from PIL import Image
from pettingzoo.butterfly.knights_archers_zombies.knights_archers_zombies import raw_env
from pettingzoo.butterfly.knights_archers_zombies.src import constants as const
from pettingzoo.butterfly.knights_archers_zombies.src.constants import Actions
from pettingzoo.butterfly.knights_archers_zombies.src.img import get_image
from pettingzoo.butterfly.knights_archers_zombies.src.players import is_archer
from pettingzoo.butterfly.knights_archers_zombies.src.zombie import Zombie

from classifier import CLASSES as STATES
from detector import CLASSES as SPRITES

# The game's own field is 1280 x 720 with sprites of 32 pixels, too small for a
# picture of 128. Here the arena is 400 of 800 x 450, and speeds are scaled to it.
const.SCREEN_WIDTH, const.SCREEN_HEIGHT, const.WALL_WIDTH = 800, 450, 200
const.ARCHER_X, const.ARCHER_Y = 260, 400
const.KNIGHT_X, const.KNIGHT_Y = 420, 400
const.ARCHER_SPEED = const.KNIGHT_SPEED = 10
const.ARROW_SPEED, const.ZOMBIE_X_SPEED, const.ZOMBIE_Y_SPEED = 20, 12, 2

WIDTH, HEIGHT = 640, 360  # of a recorded picture
SCALE = WIDTH / const.SCREEN_WIDTH
EPILOGUE = 5 * const.FPS
SETTLE = 8  # cycles until a breach is plain to see: the zombie is half outside


@dataclass
class Frame:
    """One cycle of the game; `picture` draws it and must be called before the next."""

    cycle: int
    state: str
    since_end: int  # -1 while the round is played
    boxes: list  # (class, x1, y1, x2, y2) in pixels of the picture
    round: "Round"

    @property
    def settling(self):
        """The end has come, but the picture does not show it clearly yet."""
        return self.state == "breached" and self.since_end < SETTLE

    def picture(self):
        """RGB of WIDTH x HEIGHT."""
        self.round.draw()
        small = pygame.transform.smoothscale(self.round.screen, (WIDTH, HEIGHT))
        return Image.frombytes("RGB", (WIDTH, HEIGHT), pygame.image.tobytes(small, "RGB"))

    def jpeg(self, quality=75):
        """The picture as a stream would carry it."""
        data = io.BytesIO()
        self.picture().save(data, "JPEG", quality=quality)
        return data.getvalue()


class Round(raw_env):
    """The game with a wave of limited size and a look of its own."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.skill = self.chance.choice(["good", "reckless", "reckless", "lost", "lost"])
        low, high = {"good": (0.1, 0.8), "reckless": (0.2, 0.9), "lost": (0.8, 1)}[self.skill]
        self.noise = self.chance.uniform(low, high)
        self.wave = self.chance.randint(6, 24)
        super().__init__(
            spawn_delay=self.chance.randint(10, 30),
            num_archers=self.chance.randint(1, 3),
            num_knights=self.chance.randint(0, 3),
            max_zombies=self.chance.randint(4, 12),
            max_cycles=10**9,
        )
        self.reset(seed=seed)
        for player in self.player_list:
            player.offset(self.chance.randint(-50, 50), self.chance.randint(-120, 0))
        self.spawned = 0
        self.add_zombie()

    def _generate_background(self):
        """The game's floor and walls, its patches wherever chance puts them."""
        field = pygame.Surface((const.SCREEN_WIDTH, const.SCREEN_HEIGHT))
        field.fill((66, 40, 53))
        for _ in range(self.chance.randint(2, 6)):
            patch = get_image(f"img/patch{self.chance.randint(1, 4)}.png")
            field.blit(patch, (self.chance.randint(150, 550), self.chance.randint(-60, 380)))
        field.fill((22, 15, 22), (0, 0, 100, const.SCREEN_HEIGHT))
        field.fill((22, 15, 22), (const.SCREEN_WIDTH - 100, 0, 100, const.SCREEN_HEIGHT))
        field.blit(get_image("img/left_wall.png"), (100, 0))
        field.blit(get_image("img/right_wall.png"), (const.SCREEN_WIDTH - 200, 0))
        return field

    def add_zombie(self):
        self.zombie_list.add(Zombie(self.np_random))
        self.spawned += 1

    def do_zombie_turn(self):
        """As the game's; the field is never empty before the wave is over."""
        before = set(self.zombie_list)
        if self.spawned == self.wave:
            self.max_zombies = 0
        super().do_zombie_turn()
        self.spawned += len(set(self.zombie_list) - before)
        if not self.zombie_list and self.spawned < self.wave:
            self.add_zombie()

    def _check_game_over(self):
        super()._check_game_over()
        self.game_over = self.game_over or not self.zombie_list

    def status(self):
        if not self.game_over:
            return "playing"
        if self._check_zombie_escape():
            return "breached"
        return "cleared" if self.player_list else "dead"

    def choose(self, player):
        """An action: scripted by skill, or random."""
        if self.chance.random() < self.noise or not self.zombie_list:
            return self.chance.choice([0, 0, 1, 2, 3, 4, 5])
        at = pygame.Vector2(player.rect.center)
        ways = [pygame.Vector2(z.rect.center) - at for z in self.zombie_list]
        way = min(ways, key=lambda way: way.length())
        turn = (player.direction.angle_to(way) + 180) % 360 - 180 if way.length() else 0
        if abs(turn) > 10:
            return (Actions.ACTION_TURN_CW if turn > 0 else Actions.ACTION_TURN_CCW).value
        if self.skill == "reckless":
            return Actions.ACTION_FORWARD.value
        if is_archer(player):
            near = way.length() < 70 and self.chance.random() < 0.5
            return (Actions.ACTION_BACKWARD if near else Actions.ACTION_ATTACK).value
        return (Actions.ACTION_FORWARD if way.length() > 60 else Actions.ACTION_ATTACK).value

    def play(self):
        """One cycle: a step of every player, then of the zombies."""
        cycle = self.frames
        while self.frames == cycle:
            agent = self.agent_selection
            dead = self.terminations[agent]
            self.step(None if dead else self.choose(self.agent_map[agent]))

    def linger(self):
        """One cycle after the end."""
        middle = const.SCREEN_HEIGHT - 15
        for zombie in self.zombie_list:
            if zombie.rect.y > zombie.y_bot_limit:
                zombie.rect.y = min(zombie.rect.y + const.ZOMBIE_Y_SPEED, middle)
        for player in self.player_list:
            player.act(Actions(self.chance.choice([0, 0, 1, 2, 3, 5])))
        for player in self.agent_map.values():
            for weapon in list(player.weapons):
                weapon.act()
                if not weapon.is_active:
                    player.weapons.remove(weapon)

    def boxes(self):
        """What is drawn of every sprite, where at least a third of it is in the picture."""
        weapons = [w for p in self.agent_map.values() if is_archer(p) for w in p.weapons]
        players = [("archer" if is_archer(p) else "knight", p) for p in self.player_list]
        zombies = [("zombie", z) for z in self.zombie_list]
        found = []
        for name, sprite in zombies + [("arrow", w) for w in weapons] + players:
            drawn = sprite.image.get_bounding_rect().move(sprite.rect.topleft)
            seen = drawn.clip(self.screen.get_rect())
            if seen.w * seen.h * 3 >= drawn.w * drawn.h:
                corners = (seen.left, seen.top, seen.right, seen.bottom)
                found.append((SPRITES.index(name), *(round(c * SCALE, 1) for c in corners)))
        return found


def frames(seed):
    """Every cycle of a round, and of the five seconds after it."""
    game, cycle, since_end = Round(seed), 0, -1
    while since_end < EPILOGUE:
        state = game.status()
        since_end = since_end + 1 if state != "playing" else -1
        yield Frame(cycle, state, since_end, game.boxes(), game)
        cycle += 1
        game.linger() if game.game_over else game.play()


def ending(seed):
    """How a round ends, and how many cycles it takes; draws nothing."""
    *_, last = frames(seed)
    return last.state, last.cycle - EPILOGUE


assert set(STATES) == {"playing", "cleared", "breached", "dead"}
