#!/usr/bin/env bash
# One machine of the cluster test: process 1 of namespaces of its own (pid, mount, net). It sees the files
# of this host, writes into memory, and runs nothing but an sshd. Arguments: address, prefix, folder that
# holds its host key and the authorized key.
set -euo pipefail
address=$1 prefix=$2 folder=$3

keep=$(mktemp -d)
cp "$folder"/* "$keep"
mount -t tmpfs machine /mnt
cp -r "$keep" /mnt/ssh
rm -r "$keep"
for place in etc root usr/local; do
    mkdir -p "/mnt/$place/upper" "/mnt/$place/work"
    mount -t overlay machine -o "lowerdir=/$place,upperdir=/mnt/$place/upper,workdir=/mnt/$place/work" "/$place"
done
for place in tmp run srv dev/shm; do mount -t tmpfs machine "/$place"; done
chmod 1777 /tmp /dev/shm
rm -rf /root/.ray /root/.ssh /etc/rayproctor
mkdir -p /run/sshd
sed -i 's/^root:[^:]*:/root:x:/' /etc/shadow # sshd refuses an account that is locked

ip link set lo up
until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
ip address add "$address/$prefix" dev eth0
ip link set eth0 up

cat >/mnt/sshd_config <<EOF
ListenAddress $address
HostKey /mnt/ssh/host_key
AuthorizedKeysFile /mnt/ssh/authorized_key
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PidFile none
MaxStartups 50
EOF
/usr/sbin/sshd -D -e -f /mnt/sshd_config 2>/mnt/sshd.log &
wait
