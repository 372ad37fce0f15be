// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require rpc';

const call = (method, params, expect) => rpc.declare({ object: 'uci', method, params, expect, reject: true });
const callGet = rpc.declare({ object: 'uci', method: 'get', params: [ 'config' ], expect: { values: {} }, reject: true });
const callAdd = call('add', [ 'config', 'type', 'name', 'values' ], { section: '' });
const callSet = call('set', [ 'config', 'section', 'values' ]);
const callDelete = call('delete', [ 'config', 'section', 'options' ]);
const callApply = rpc.declare({ object: 'uci', method: 'apply', params: [ 'timeout', 'rollback' ] });
const callConfirm = rpc.declare({ object: 'uci', method: 'confirm' });
const callChanges = call('changes', [], { changes: {} });

/* What is on the router, and what was changed since: created, changed and deleted sections. */
let values = {}, created = {}, changed = {}, deleted = {}, pending = {};
let serial = 0;

function need(config) {
	if (!values[config])
		throw new Error(`uci: ${config} was not loaded`);
}

function find(config, sid) {
	if (deleted[config]?.[sid] === true)
		return null;
	return created[config]?.[sid] ?? values[config]?.[sid] ?? null;
}

function section(config, sid) {
	const found = find(config, sid);
	if (!found)
		return null;

	const seen = { ...found, ...changed[config]?.[sid] };
	for (const option of Object.keys(deleted[config]?.[sid] ?? {}))
		delete seen[option];
	return seen;
}

return baseclass.extend({
	__name__: 'uci',

	load(configs) {
		const wanted = L.toArray(configs).filter(config => !values[config]);
		for (const config of wanted)
			pending[config] ??= callGet(config).then(got => {
				/* An absent file is an empty one, as rpcd has it. */
				values[config] = got;
			}).finally(() => delete pending[config]);
		return Promise.all(wanted.map(config => pending[config])).then(() => wanted);
	},

	unload(configs) {
		for (const config of L.toArray(configs))
			for (const state of [ values, created, changed, deleted ])
				delete state[config];
	},

	sections(config, type, callback) {
		const ids = new Set([ ...Object.keys(values[config] ?? {}), ...Object.keys(created[config] ?? {}) ]);
		const found = [ ...ids ].map(sid => section(config, sid))
			.filter(one => one && (type == null || one['.type'] == type))
			.sort((a, b) => (a['.index'] ?? 1e6) - (b['.index'] ?? 1e6));
		found.forEach(one => callback && callback(one, one['.name']));
		return found;
	},

	get(config, sid, option) {
		if (!sid)
			throw new Error('uci.get(): no section');

		const found = section(config, sid);
		if (!found)
			return null;
		return option == null ? found : (found[option] ?? null);
	},

	get_bool(config, sid, option) {
		return [ '1', 'true', 'yes', 'on', 'enabled' ].includes(String(this.get(config, sid, option)));
	},

	get_first(config, type, option) {
		const first = this.sections(config, type)[0];
		return !first ? null : (option == null ? first : (first[option] ?? null));
	},

	set_first(config, type, option, value) {
		const first = this.sections(config, type)[0];
		if (first)
			this.set(config, first['.name'], option, value);
	},

	add(config, type, name) {
		need(config);
		const sid = name ?? `new${Date.now().toString(16)}${serial++}`;
		if (name != null && !/^[A-Za-z0-9_]+$/.test(name))
			throw new Error(`uci.add(): "${name}" is no name of a section`);

		(created[config] ??= {})[sid] = {
			'.type': type, '.name': sid, '.create': name ?? true, '.anonymous': name == null,
			'.index': 1e6 + serial++
		};
		if (deleted[config])
			delete deleted[config][sid];
		return sid;
	},

	remove(config, sid) {
		if (created[config]?.[sid])
			delete created[config][sid];
		else if (values[config]?.[sid])
			(deleted[config] ??= {})[sid] = true;
		if (changed[config])
			delete changed[config][sid];
	},

	set(config, sid, option, value) {
		if (!sid || !option || option[0] == '.')
			throw new Error('uci.set(): wants a section and an option');

		const fresh = created[config]?.[sid];
		if (value == null || value === '' || (Array.isArray(value) && !value.length))
			return this.unset(config, sid, option);
		if (!find(config, sid))
			return;

		value = Array.isArray(value) ? value.map(String) : String(value);
		if (fresh) {
			fresh[option] = value;
			return;
		}
		((changed[config] ??= {})[sid] ??= {})[option] = value;
		if (L.isObject(deleted[config]?.[sid]))
			delete deleted[config][sid][option];
	},

	unset(config, sid, option) {
		if (created[config]?.[sid])
			delete created[config][sid][option];
		else if (values[config]?.[sid]) {
			if (changed[config]?.[sid])
				delete changed[config][sid][option];
			if (values[config][sid][option] != null && deleted[config]?.[sid] !== true)
				((deleted[config] ??= {})[sid] ??= {})[option] = true;
		}
	},

	async save() {
		const configs = new Set([ created, changed, deleted ].flatMap(state => Object.keys(state)));
		const plain = one => Object.fromEntries(Object.entries(one).filter(([ key ]) => key[0] != '.'));

		for (const config of configs) {
			for (const [ sid, one ] of Object.entries(deleted[config] ?? {}))
				await callDelete(config, sid, one === true ? undefined : Object.keys(one));
			for (const one of Object.values(created[config] ?? {}))
				await callAdd(config, one['.type'], one['.create'] === true ? undefined : one['.create'], plain(one));
			for (const [ sid, one ] of Object.entries(changed[config] ?? {}))
				if (Object.keys(one).length)
					await callSet(config, sid, one);
		}

		this.unload([ ...configs ]);
		await this.load([ ...configs ]);
		return [ ...configs ];
	},

	changes: () => callChanges(),

	/* Rejects with the code; what is not confirmed in time is rolled back. */
	async apply(timeout) {
		const seconds = typeof timeout == 'number' && timeout >= 1 ? timeout : 10;
		const code = await callApply(seconds, true);
		if (code !== 0)
			return Promise.reject(code);

		await new Promise(resolve => setTimeout(resolve, 1000));
		return callConfirm();
	},

	createSID: () => `new${Date.now().toString(16)}${serial++}`,
	resolveSID: (config, sid) => sid
});
