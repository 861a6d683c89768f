# Prints what a process in a container sees, for comparison with another container's view.
echo "== mounts"
# Mount ids and device numbers are the kernel's choice, layers and ids of containers the engine's.
# Sorted, because podman mounts its own files (hosts, resolv.conf …) in an order that changes from run to run.
sed -E 's/^[0-9]+ [0-9]+ [0-9]+:[0-9]+ //; s/[0-9a-f]{64}/ID/g; s/(lowerdir|upperdir|workdir)=[^, ]*/\1=LAYERS/g; s/(shared|master|propagate_from):[0-9]+/\1:N/g' /proc/self/mountinfo | sort
echo "== environment"
tr '\0' '\n' </proc/self/environ | grep -v '^HOSTNAME=' | sort
echo "== devices"
find /dev -mindepth 1 -printf '%p %y %m %U:%G %l ' -exec stat -c '%t:%T' {} \; | sort
echo "== privileges"
grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/self/status
grep devices /proc/self/cgroup | sed -E 's/[0-9a-f]{64}/ID/g'
echo "== libraries"
find /usr/lib /usr/local /lib64 /etc -xdev -newermt '1970-01-02' \( -name '*cuda*' -o -name '*nvidia*' -o -name '*pumice*' -o -name 'ld.so*' \) -printf '%p %y %m %s %l\n' | sort
