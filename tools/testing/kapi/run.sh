#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Loads the module, does what its tests at unloading expect, unloads it, and prints its results; then
# runs the client and the user of its files; between marks for the host.
cd /root/kapi || exit

prepare()
{
	keyctl padd asymmetric "" %:.kapi_test < vectors/root.der > /dev/null &&
		echo 0 > /sys/module/suspend/parameters/pm_test_delay &&
		echo freezer > /sys/power/pm_test &&
		echo freeze > /sys/power/state
}

echo "## begin kapi_test"
insmod /root/kapi_test.ko && { prepare; prepared=$?; } && rmmod kapi_test && [ $prepared = 0 ]
status=$?
dmesg | sed -n 's/^\[[^]]*\] kapi_test: //p'
echo "## end kapi_test $status"

echo "## begin client"
insmod /root/kapi_test.ko && { ./client.py; status=$?; } && rmmod kapi_test && [ $status = 0 ]
echo "## end client $?"

echo "## begin files"
./files.py
echo "## end files $?"
