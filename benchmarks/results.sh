#!/usr/bin/env bash
# Measures everything that results/ holds of one GPU, the most important parts first. Takes two hours on an H100. Sweeps,
# profiles, digits and the proof resume where they stopped, so it can run in several sessions on machines of one kind.
#
#     benchmarks/results.sh results/h100-80gb-hbm3
#     benchmarks/results.sh results/h100-80gb-hbm3 fused profile     only these parts
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:?name the folder of the machine, such as results/h100-80gb-hbm3}
shift
parts=${*:-backends fused paper-resolution paper-size kernels steps first profile nsight digits throughput compile reproduce proof sanitize}
export PYTHONPATH="$PWD:$PWD/models${PYTHONPATH:+:$PYTHONPATH}"
mkdir -p "$out/kernels"
sweep() { python3 bench.py sweep --preset "$1" --no-figures --out "$out/$1" "${@:2}"; }

for part in $parts; do
  echo "== $part, after $SECONDS s"
  case $part in
    # Four threads, as for its first rows.
    backends) OMP_NUM_THREADS=4 sweep backends ;;
    fused) sweep fused ;;
    paper-resolution | paper-size) sweep "$part" --extend --retry ;;
    kernels) python3 benchmarks/kernels/operations.py --output "$out/kernels/kernels.json" ;;
    steps) python3 benchmarks/kernels/fusion_steps.py --output "$out/kernels/fusion_steps.csv" ;;
    first) python3 benchmarks/kernels/first_result.py --output "$out/kernels/first_result.csv" ;;
    sanitize)
      code=0
      for tool in memcheck racecheck; do
        # A separate allocation per tensor, so that no other tensor lies past its end.
        PYTORCH_NO_CUDA_MEMORY_CACHING=1 timeout 900 compute-sanitizer --error-exitcode 9 --tool $tool \
          python3 benchmarks/kernels/sanitize.py >"$out/$tool.txt" 2>&1 || code=$?
        tail -n 1 "$out/$tool.txt"
      done
      (exit $code)
      ;;
    nsight) python3 benchmarks/nsight_agreement.py 'DiG-XL/2@fused' --res 2048 --out "$out/profile" ;;
    profile)
      python3 bench.py profile 'DiG-XL/2@fused' 'DiG-XL/2@fla' 'DiT-XL/2@math' 'DiT-XL/2@flash2' 'DiT-XL/2@cudnn' \
        'DiT-XL/2@fused' 'DiS-XL/2@mamba-ssm' --res 512,1024,2048 --mode forward,train --out "$out/profile" \
        --name h100-profile
      ;;
    digits) python3 benchmarks/training/digits.py --out "$out/train-digits" ;;
    throughput)
      throughput() { # processes, name, options
        python3 -m torch.distributed.run --standalone --nproc-per-node "$1" benchmarks/training/throughput.py "${@:3}" \
          --output "$out/train-throughput-$2.json"
      }
      three="--models DiG-S/2@fused,DiT-S/2@flash2,DiT-S/2@cudnn --batch 1024 --steps 60 --precision bf16"
      exact="--models DiG-S/2@fused --batch 128 --steps 40 --precision fp32"
      # A batch that fits in memory for every backbone.
      all=DiG-S/2@fused,DiG-S/2@fla,DiT-S/2@fused,DiT-S/2@cudnn,DiT-S/2@flash2,DiT-S/2@math,DiS-S/2@mamba-ssm
      # shellcheck disable=SC2086
      throughput 1 backbones --models $all --batch 256 --steps 60 --precision bf16 &&
        throughput 1 1 $three && throughput 1 fp32-1 $exact &&
        for gpus in 2 4; do
          [ "$(nvidia-smi --list-gpus | wc -l)" -ge $gpus ] || continue
          throughput $gpus $gpus $three && throughput $gpus fp32-$gpus $exact || break
          for kind in "" fp32-; do
            python3 benchmarks/training/throughput.py --compare "$out"/train-throughput-$kind{1,$gpus}.json
          done
        done
      ;;
    compile)
      python3 bench.py sweep --models 'DiG-S/2@fused,DiT-S/2@fused,DiT-S/2@cudnn' --res 512 --precision bf16 \
        --execution compile,graph --no-figures --out "$out/compile"
      ;;
    reproduce) python3 bench.py reproduce --retry --out "$out/reproduce" ;;
    proof)
      python3 benchmarks/compare/proof.py --device cuda --comparisons 3 --planted 1 --calibration-processes 6 \
        --start-together --skip-memory --work "${TMPDIR:-/tmp}/dig-bench-proof" --out "$out/decide-proof"
      ;;
    *) echo "no part $part" >&2 && exit 2 ;;
  esac || echo "== $part ended with exit code $?"
done
