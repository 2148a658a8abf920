// SPDX-License-Identifier: GPL-2.0
/* The SPDM responder in the device model. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "issei_spdm.h"

#define ANSWER_SIZE (4 * SPDM_CHAIN_MAX)	/* a chain and its root in hexadecimal */

/* As it is without options, but with an algorithm that is verified fast; for spdm_set. */
static const char *const defaults[] = {
	"'versions':['1.0','1.1','1.2','1.3'],'measurement_hash':'base','slots':[0,1],'seed':'0001'",
	"'chain_length':3,'chain_size':0,'omit_root':false,'ct_exponent':20",
	"'data_transfer_size':4096,'max_message_size':73728",
	"'hash':['sha384','sha512','sha256','sha3-384','sha3-512','sha3-256']",
	"'asym':['ecdsa-p256','ecdsa-p384','ecdsa-p521','rsassa-4096','rsassa-3072','rsassa-2048','rsapss-4096','rsapss-3072','rsapss-2048']",
	"'capabilities':['cert','chal','meas-sig','meas-fresh','chunk']",
};

/* Settings, measurements that tests change, and no fault. */
int model_spdm_defaults(unsigned int dev)
{
	int ret = model_do(dev, "{'cmd':'clear_faults'}");

	for (size_t i = 0; !ret && i < ARRAY_SIZE(defaults); i++)
		ret = model_spdm_set(dev, "%s", defaults[i]);
	if (!ret)
		ret = model_do(dev, "{'cmd':'spdm_measurement','index':10}");
	/* "firmware 1.2.3.4" */
	if (!ret)
		ret = model_spdm_measurement(dev, 2, 1, "6669726d7761726520312e322e332e34");
	return ret ?: model_do(dev, "{'cmd':'set','response_latency_us':0}");
}

/* Members of the command spdm_set. */
int model_spdm_set(unsigned int dev, const char *format, ...)
{
	va_list args;
	char *members;
	int ret;

	va_start(args, format);
	ret = vasprintf(&members, format, args);
	va_end(args);
	if (ret < 0)
		return -ENOMEM;
	ret = model_do(dev, "{'cmd':'spdm_set',%s}", members);
	free(members);
	return ret;
}

int model_spdm_measurement(unsigned int dev, unsigned int index, unsigned int type,
			   const char *hex)
{
	return model_do(dev, "{'cmd':'spdm_measurement','index':%u,'type':%u,'data':'%s'}",
			index, type, hex);
}

/* Arms a fault; @more is further members, `"on":"version","count":0`, or empty. */
int model_spdm_fault(unsigned int dev, const char *name, const char *more)
{
	return model_do(dev, "{'cmd':'fault','name':'%s'%s%s}", name, *more ? "," : "",
			more);
}

ssize_t model_spdm_chain(unsigned int dev, unsigned int slot, const char *asym, uint8_t *chain,
			 size_t size)
{
	char *answer = malloc(ANSWER_SIZE);
	size_t len = 0;
	const char *at;
	ssize_t ret;

	if (!answer)
		return -ENOMEM;
	ret = model_ask(dev, answer, ANSWER_SIZE, "{'cmd':'spdm','slot':%u%s%s%s}", slot,
			asym ? ",'asym':'" : "", asym ?: "", asym ? "'" : "");
	at = json_find(answer, "certificates");
	if (!ret && !at)
		ret = -EBADMSG;
	/* ["30..","30.."] */
	at = ret ? NULL : at + 1;
	while (!ret && at[0] == '"') {
		ssize_t part = hex_decode(at + 1, chain + len, size - len);

		if (part < 0)
			ret = part;
		else
			len += part;
		at = strchr(at + 1, '"') + 1;
		at += *at == ',';
	}
	free(answer);
	return ret ?: (ssize_t)len;
}

/* A raw one, which no hash makes shorter. */
int model_spdm_large_measurement(unsigned int dev, unsigned int index, size_t size)
{
	char *hex = malloc(2 * size + 1);
	int ret;

	if (!hex)
		return -ENOMEM;
	memset(hex, '5', 2 * size);
	hex[2 * size] = '\0';
	ret = model_spdm_measurement(dev, index, 9, hex);
	free(hex);
	return ret;
}
