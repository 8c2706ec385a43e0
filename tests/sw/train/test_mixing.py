"""Mixed images and averaged weights."""

import torch

from twofold.sw.train.average import EVERY, Average
from twofold.sw.train.mixing import mix, targets


def test_mixed_images_are_between_two() -> None:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (64, 4, 4), generator=generator, dtype=torch.uint8)
    expected = targets(torch.arange(64) % 5, 5)
    mixed, soft = mix(images, expected, 1.0, generator)
    assert mixed.dtype == torch.uint8 and mixed.shape == images.shape
    torch.testing.assert_close(soft.sum(1), torch.ones(64))
    assert (soft.max(1).values < 0.999).sum() > 30
    same, hard = mix(images, expected, 0.0, generator)
    assert torch.equal(same, images) and torch.equal(hard, expected)


def test_average_follows_the_weights() -> None:
    net = torch.nn.Linear(3, 2)
    average = Average(net, 0.9)
    start = net.weight.detach().clone()
    for step in range(0, 40 * EVERY, EVERY):
        with torch.no_grad():
            net.weight.fill_(1.0)
        average.update(step)
    assert (average.state_dict()["weight"] - 1).abs().max() < 0.1 * (start - 1).abs().max()
    kept = average.state_dict()["weight"].clone()
    average.swap()
    assert torch.equal(net.weight, kept)
    average.swap()
    assert torch.equal(net.weight, torch.ones(2, 3))
