"""The residual network: shapes, and that it learns."""

import torch
from torch.nn import functional as F

from twofold.sw.model.residual import ResidualNet, ResidualShape

SMALL = ResidualShape(3, 96, stem=8, blocks=(8, 16), halved=((1, 1), (2, 2)))


def test_takes_any_size() -> None:
    net = ResidualNet(SMALL).eval()
    for rows, cols in ((125, 32), (32, 32), (9, 7)):
        images = torch.randint(0, 256, (2, rows, cols), dtype=torch.uint8)
        assert net(images).shape == (2, 3)


def test_learns() -> None:
    torch.manual_seed(0)
    net = ResidualNet(SMALL, dropout=0.1)
    images = torch.randint(0, 256, (48, 16, 16), dtype=torch.uint8)
    labels = torch.arange(48) % 3
    images[torch.arange(48), labels * 5] = 255
    optimiser = torch.optim.AdamW(net.parameters(), lr=5e-3)
    for _ in range(30):
        loss = F.cross_entropy(net(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (net.eval()(images).argmax(1) == labels).float().mean() > 0.9
