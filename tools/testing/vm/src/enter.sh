# SPDX-License-Identifier: GPL-2.0
# enter ROOTFS MOUNT_POINT TREE SCRATCH COMMAND...: run in a mount namespace of its own (unshare --mount).
# Nothing is mounted into ROOTFS itself: it stays as it was unpacked. TREE, unless empty, is seen at /linux: a kernel tree that
# moves would be built anew. With SCRATCH, what is written to it goes there.
set -eu
rootfs=$1 new=$2 tree=$3 scratch=$4 directory=$PWD
shift 4
mount -t tmpfs -o mode=755 root "$new"
for path in "$rootfs"/bin "$rootfs"/sbin "$rootfs"/lib*; do
	cp -P "$path" "$new"
done
for name in usr etc; do
	mkdir "$new/$name"
	mount --bind "$rootfs/$name" "$new/$name"
done
mkdir "$new/linux"
if [ -n "$scratch" ]; then
	mkdir -p "$scratch/upper" "$scratch/work"
	mount -t overlay -o "userxattr,lowerdir=$tree,upperdir=$scratch/upper,workdir=$scratch/work" tree "$new/linux"
elif [ -n "$tree" ]; then
	mount --bind "$tree" "$new/linux"
fi
for path in /*; do
	name=${path#/}
	[ -e "$new/$name" ] && continue
	if [ -L "$path" ]; then
		cp -P "$path" "$new"
	elif [ -d "$path" ]; then
		mkdir "$new/$name"
		mount --rbind "$path" "$new/$name"
	fi
done
exec chroot "$new" /usr/bin/setpriv --pdeathsig KILL \
	/bin/sh -c 'cd "$0" && exec "$@"' "$directory" "$@"
