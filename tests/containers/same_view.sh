# Prints what pumice gave to this container.
library_folder=$(dirname "$(readlink -f /usr/lib/x86_64-linux-gnu/libc.so.6)")
echo "== mounts: target, options"
# The live hook can also set nosymfollow, for which older runtimes have no word.
awk '$5 ~ /pumice|libcuda|libnvidia-ml/ { sub(",nosymfollow", "", $6); print $5, $6 }' /proc/self/mountinfo | sort -u
echo "== libraries"
for folder in "$library_folder" /usr/local/nvidia/lib64; do
    for name in libcuda.so.1 libcuda.so libnvidia-ml.so.1 libnvidia-ml.so; do
        [ -e "$folder/$name" ] && echo "$folder/$name $(sha256sum <"$folder/$name")"
    done
done
# `pumice trace` switches on for one container in a file that all of them see: another test may be doing so.
find /usr/lib/pumice -type f ! -path '*/drivers/*/trace' -printf '%p %m ' -exec sh -c 'sha256sum <"$1"' sh {} \; | sort
echo "== preload"
grep -c -m 1 libpumice-preload /proc/self/maps || true
