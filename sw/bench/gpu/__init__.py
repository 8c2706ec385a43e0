"""Engines on an NVIDIA GPU: what they share, and how they are measured.

A call takes samples from page-locked memory of the host, moves them over PCIe, computes, moves the
logits back into page-locked memory and waits for them: transfers count. Jobs are warmed up before
they are timed. ``fp32`` is without TF32, which rounds inputs of products to 11 bits. ``fp16`` has
weights and activations in float16 and its own limit for errors (`twofold.sw.bench.gpu.half`).
Calls are launched one kernel at a time, without CUDA graphs, so launches dominate small batches.

``int8`` rows need integer kernels for this project's networks, whose activations are unsigned:
PyTorch has no quantized convolutions of them on a GPU, ONNX Runtime computes them there in floating
point, TensorRT takes signed activations only. Each engine says so where it refuses them; networks
with winners, which exist in int8 alone, thus have no rows.

``fp16 2:4`` is for networks with linear layers that are 2:4 as they are
(`twofold.sw.bench.gpu.two_four`). None of those that ship is: their weights are pruned without
structure, and pruning them again would make other networks of other accuracies.

Nothing of this is in an extra: ``onnxruntime-gpu`` conflicts with ``onnxruntime`` and takes its
place. With NVIDIA's driver installed, and a PyTorch built with CUDA, in the project's environment:

    pip uninstall onnxruntime
    pip install 'onnxruntime-gpu[cuda,cudnn]' tensorrt
"""
