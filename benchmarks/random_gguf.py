"""Write random weights in the true shape of gpt-oss-20b as a GGUF file for llama.cpp: MXFP4 experts, the rest Q8_0.

    python benchmarks/random_gguf.py FILE [--layers N]

Needs the packages `gguf` and `numpy`, and nothing of this project. 24 layers take 12.1 GB.
"""

import argparse

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from numpy.typing import NDArray

HIDDEN, INTERMEDIATE, VOCABULARY, EXPERTS, QUERIES, KEYS, HEAD = 2880, 2880, 201_088, 32, 64, 8, 64
SOURCE = np.random.default_rng(0)


def q8_0(rows: int, inputs: int) -> NDArray[np.uint8]:
    """Make a matrix of Q8_0: per 32 inputs a float16 scale and 32 bytes."""
    blocks = SOURCE.integers(0, 256, (rows, inputs // 32, 34), dtype=np.uint8)
    blocks[..., :2] = np.frombuffer(np.float16(inputs**-0.5 / 64).tobytes(), np.uint8)
    return blocks.reshape(rows, -1)


def mxfp4(rows: int, inputs: int) -> NDArray[np.uint8]:
    """Make the matrices of all experts: per 32 inputs a scale and 16 bytes."""
    blocks = SOURCE.integers(0, 256, (EXPERTS, rows, inputs // 32, 17), dtype=np.uint8)
    blocks[..., 0] = 119
    return blocks.reshape(EXPERTS, rows, -1)


def floats(*shape: int) -> NDArray[np.float32]:
    """Make small numbers."""
    return (SOURCE.standard_normal(shape) * 0.02).astype(np.float32)


def write_settings(writer: gguf.GGUFWriter, layers: int) -> None:
    """Write the shape of the model."""
    writer.add_block_count(layers)
    writer.add_context_length(131_072)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INTERMEDIATE)
    writer.add_expert_feed_forward_length(INTERMEDIATE)
    writer.add_expert_count(EXPERTS)
    writer.add_expert_used_count(4)
    writer.add_head_count(QUERIES)
    writer.add_head_count_kv(KEYS)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_sliding_window(128)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(150_000.0)
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(32.0)
    writer.add_rope_scaling_orig_ctx_len(4096)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("none")


def add_layer(writer: gguf.GGUFWriter, layer: int) -> None:
    """Add the tensors of one layer."""
    name = f"blk.{layer}."
    for norm in ("attn_norm", "post_attention_norm"):
        writer.add_tensor(f"{name}{norm}.weight", np.ones(HIDDEN, np.float32))
    for part, rows in (("q", QUERIES * HEAD), ("k", KEYS * HEAD), ("v", KEYS * HEAD)):
        writer.add_tensor(f"{name}attn_{part}.weight", q8_0(rows, HIDDEN), raw_dtype=Kind.Q8_0)
        writer.add_tensor(f"{name}attn_{part}.bias", floats(rows))
    writer.add_tensor(f"{name}attn_output.weight", q8_0(HIDDEN, QUERIES * HEAD), raw_dtype=Kind.Q8_0)
    writer.add_tensor(f"{name}attn_output.bias", floats(HIDDEN))
    writer.add_tensor(f"{name}attn_sinks.weight", floats(QUERIES))
    writer.add_tensor(f"{name}ffn_gate_inp.weight", floats(EXPERTS, HIDDEN))
    writer.add_tensor(f"{name}ffn_gate_inp.bias", floats(EXPERTS))
    for part in ("gate", "up", "down"):
        writer.add_tensor(f"{name}ffn_{part}_exps.weight", mxfp4(INTERMEDIATE, HIDDEN), raw_dtype=Kind.MXFP4)
        writer.add_tensor(f"{name}ffn_{part}_exps.bias", floats(EXPERTS, INTERMEDIATE))


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--layers", type=int, default=24)
    options = parser.parse_args()
    writer = gguf.GGUFWriter(options.file, "gpt-oss", use_temp_file=True)
    write_settings(writer, options.layers)
    writer.add_tensor("token_embd.weight", q8_0(VOCABULARY, HIDDEN), raw_dtype=Kind.Q8_0)
    writer.add_tensor("output_norm.weight", np.ones(HIDDEN, np.float32))
    writer.add_tensor("output.weight", q8_0(VOCABULARY, HIDDEN), raw_dtype=Kind.Q8_0)
    for layer in range(options.layers):
        add_layer(writer, layer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
