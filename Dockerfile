# What a GPU runner needs: Python, PyTorch for CUDA, and the kernels of the extras.
#
#   docker build --tag dig-bench-gpu .
#   install --directory --mode 1777 /tmp/dig-bench-locks
#   docker run --rm --gpus all --volume /tmp/dig-bench-locks:/tmp/dig-bench-locks \
#     --volume "$PWD/results:/work/results" dig-bench-gpu sweep
#
# The folder of locks is the machine's own: it keeps the containers and users of one machine off each other's GPU.

# CUDA 13.0.2 is what torch 2.11.0 is built with, and needs a driver from 580 on. devel, since flash-attn and mamba-ssm
# compile. Ubuntu 24.04 has Python 3.12, the one the committed measurements were taken with.
FROM nvidia/cuda:13.0.2-devel-ubuntu24.04

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# No pins: the archive keeps only the newest of each, and its security fixes are wanted.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        g++ git ninja-build python3 python3-dev python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/*

# CUDA_DEVICE_ORDER numbers GPUs as nvidia-smi and NVML do, whose energy counter is read. Packages go into the system's
# Python, which serves nothing else here: a job's own environment made with --system-site-packages finds them.
ENV CUDA_DEVICE_ORDER=PCI_BUS_ID \
    PIP_BREAK_SYSTEM_PACKAGES=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

# torch 2.11.0: with another one, other kernels run, and `dig-bench compare` refuses to compare with committed results.
# setuptools, wheel, packaging: what flash-attn and mamba-ssm build with, pinned so that a build can be repeated.
RUN pip install torch==2.11.0 setuptools==80.9.0 wheel==0.45.1 packaging==25.0

# The versions that the manifests of the committed measurements name. They compile against the torch above, hence no
# build isolation; a compiler takes some 4 GB, hence MAX_JOBS.
ARG MAX_JOBS=8
RUN pip install --no-build-isolation fla-core==0.6.0 flash-attn==2.8.3.post2 mamba-ssm==2.3.2.post1

COPY . /opt/dig-bench
RUN pip install /opt/dig-bench

# No root: what a pull request brings runs as this user. A number, which needs no name on the host.
RUN useradd --create-home --uid 10001 bench && install --directory --owner bench /work
USER 10001
WORKDIR /work

ENTRYPOINT ["dig-bench"]
CMD ["doctor"]
