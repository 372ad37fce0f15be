// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require request';

let next = 1;
const interceptors = [];
const kind = value => Object.prototype.toString.call(value);

function expected(value, expect) {
	for (const key of Object.keys(expect ?? {}).slice(0, 1)) {
		if (value != null && key != '')
			value = value[key];
		if (value == null || kind(value) != kind(expect[key]))
			value = expect[key];
	}
	return value;
}

function checked(message, call) {
	if (!L.isObject(message) || message.jsonrpc != '2.0')
		L.raise('RPCError', 'RPC call to %s/%s returned invalid message frame', call.object, call.method);
	if (L.isObject(message.error) && message.error.code && message.error.message)
		L.raise('RPCError', 'RPC call to %s/%s failed with error %d: %s',
			call.object, call.method, message.error.code, message.error.message);
	return message.result;
}

async function send(call, content, nobatch) {
	const reply = await request.post(L.env.ubuspath, content, { nobatch, timeout: 20000 });
	if (!reply.ok)
		L.raise('RPCError', 'RPC call to %s/%s failed with HTTP error %d: %s',
			call.object, call.method, reply.status, reply.statusText || '?');

	const message = reply.json();
	await Promise.all(interceptors.map(fn => fn(message, call)));
	return checked(message, call);
}

return baseclass.extend({
	__name__: 'rpc',

	declare(options) {
		for (const key of Object.keys(options))
			if (![ 'object', 'method', 'params', 'expect', 'filter', 'reject', 'nobatch' ].includes(key))
				throw new Error(`rpc.declare(): ${key} means nothing`);

		return async (...given) => {
			const names = options.params ?? [], args = {};
			names.forEach((name, at) => { args[name] = given[at]; });

			const call = { ...options, raise: options.reject, params: args };
			const result = await send(call, {
				jsonrpc: '2.0', id: next++, method: 'call',
				params: [ L.env.sessionid, options.object, options.method, args ]
			}, options.nobatch);

			let value = null;
			if (Array.isArray(result)) {
				if (options.reject && result[0] !== 0)
					L.raise('RPCError', 'RPC call to %s/%s failed with ubus code %d: %s',
						options.object, options.method, result[0], this.getStatusText(result[0]));
				value = result.length > 1 ? result[1] : result[0];
			}

			value = expected(value, options.expect);
			return typeof options.filter == 'function'
				? options.filter.call(this, value, args, ...given.slice(names.length)) : value;
		};
	},

	list(...names) {
		return send({}, { jsonrpc: '2.0', id: next++, method: 'list', params: names.length ? names : undefined });
	},

	getSessionID: () => L.env.sessionid,
	getBaseURL: () => L.env.ubuspath,

	getStatusText(code) {
		return window.__host.base([ 'Command OK', 'Invalid command', 'Invalid argument', 'Method not found', 'Resource not found',
			'No data received', 'Permission denied', 'Request timeout', 'Not supported', 'Unspecified error',
			'Connection lost' ][code] ?? 'Unknown error code');
	},

	addInterceptor(fn) {
		interceptors.push(fn);
		return fn;
	},

	removeInterceptor(fn) {
		const at = interceptors.indexOf(fn);
		if (at >= 0)
			interceptors.splice(at, 1);
		return at >= 0;
	}
});
