# Image for a GPU runner: Python, PyTorch for CUDA, and the kernels of the extras.
#
#   docker build --tag dig-bench-gpu .
#   install --directory --mode 1777 /tmp/dig-bench-locks
#   docker run --rm --gpus all --volume /tmp/dig-bench-locks:/tmp/dig-bench-locks \
#     --volume "$PWD/results:/work/results" dig-bench-gpu sweep
#
# The lock folder belongs to the machine: only one container or user at a time can benchmark a GPU.

# torch 2.11.0 is built with CUDA 13.0.2, which needs driver 580 or newer. flash-attn and mamba-ssm compile, hence devel.
# Ubuntu 24.04 has Python 3.12, as in the committed measurements.
FROM nvidia/cuda:13.0.2-devel-ubuntu24.04

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# Not pinned: the archive keeps only the newest version of each package, with its security fixes.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        g++ git ninja-build python3 python3-dev python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/*

# CUDA_DEVICE_ORDER numbers GPUs as NVML does, whose energy counter is read. Packages are installed into the system's
# Python, so that a job's environment made with --system-site-packages finds them.
ENV CUDA_DEVICE_ORDER=PCI_BUS_ID \
    PIP_BREAK_SYSTEM_PACKAGES=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

# Another version of torch runs other kernels, and `dig-bench compare` refuses to compare with the committed results.
# setuptools, wheel and packaging build flash-attn and mamba-ssm; they are pinned so that a build can be repeated.
RUN pip install torch==2.11.0 setuptools==80.9.0 wheel==0.45.1 packaging==25.0

# Versions from the manifests of the committed measurements. They compile against the torch above, hence no build
# isolation. Each compiler needs about 4 GB; MAX_JOBS limits their number.
ARG MAX_JOBS=8
RUN pip install --no-build-isolation fla-core==0.6.0 flash-attn==2.8.3.post2 mamba-ssm==2.3.2.post1

COPY . /opt/dig-bench
RUN pip install /opt/dig-bench

# Not root: the code of a pull request runs as this user. A number needs no name on the host.
RUN useradd --create-home --uid 10001 bench && install --directory --owner bench /work
USER 10001
WORKDIR /work

ENTRYPOINT ["dig-bench"]
CMD ["doctor"]
