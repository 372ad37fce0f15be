// SPDX-License-Identifier: Apache-2.0
//
// A stand-in for LuCI's client: what a view is given, as far as the views of luci-app-glimpse use it. Written against
// the behaviour that can be observed, not from LuCI's source. Where LuCI is lenient in ways that hide faults (text that
// is taken for HTML, members that do not exist), it throws.
//
// window.__host says what went wrong: `errors`, `untranslated`.

(function (window, document) {
	'use strict';

	const host = window.__host = { errors: [], untranslated: new Set(), ready: false };

	/* Members that do not exist are faults, not `undefined`. */
	const quiet = new Set([ 'then', 'toJSON', 'constructor', 'displayName', '__init__' ]);
	host.strict = function (name, object) {
		return new Proxy(object, {
			get(target, key, receiver) {
				if (typeof key == 'string' && !(key in target) && !quiet.has(key))
					throw new Error(`${name}.${key}: not in the stand-in for LuCI (tests/luci/host)`);

				return Reflect.get(target, key, receiver);
			}
		});
	};

	/* Classes: `extend`, `super`, `__init__`, `__name__`. */
	const above = new WeakMap();

	class Base {
		super(key, ...given) {
			const at = above.get(this) ?? new Map();
			above.set(this, at);

			let owner = at.get(key) ?? Object.getPrototypeOf(this);
			while (owner && !Object.hasOwn(owner, key))
				owner = Object.getPrototypeOf(owner);

			let parent = owner && Object.getPrototypeOf(owner);
			while (parent && !Object.hasOwn(parent, key))
				parent = Object.getPrototypeOf(parent);

			if (!parent)
				return null;

			const value = parent[key];
			if (typeof value != 'function' || arguments.length == 1)
				return value;

			const list = given.length == 1 && given[0] != null && typeof given[0] == 'object' &&
				typeof given[0].length == 'number' ? Array.from(given[0]) : given;
			const before = at.get(key);
			at.set(key, parent);
			try {
				return value.apply(this, list);
			}
			finally {
				before ? at.set(key, before) : at.delete(key);
			}
		}

		varargs(list, offset, ...first) {
			return first.concat(Array.prototype.slice.call(list, offset));
		}
	}

	function define(parent, properties) {
		const Class = function (...given) {
			if (!(this instanceof Class))
				throw new TypeError('Constructor must not be called without "new"');

			if (typeof this.__init__ == 'function')
				this.__init__(...given);
		};

		Class.prototype = Object.create(parent);
		for (const key of Object.getOwnPropertyNames(properties))
			Object.defineProperty(Class.prototype, key,
				Object.getOwnPropertyDescriptor(properties, key));
		Object.defineProperty(Class.prototype, 'constructor', { value: Class, writable: true });

		Class.displayName = properties.__name__ ?? 'anonymous';
		Class.extend = further => define(Class.prototype, further);
		Class.instantiate = list => new Class(...list);
		Class.isSubclass = other => typeof other == 'function' && other.prototype instanceof Class;
		Class.singleton = further => new (Class.extend(further))();
		return Class;
	}

	const Class = host.Class = define(Base.prototype, { __name__: 'baseclass' });

	/* Texts: those of the application, and those that LuCI itself brings. */
	const base = window.BASE ?? {}, texts = { ...base, ...window.TR };
	host.base = text => base[text] ?? text;

	function translate(key) {
		const found = texts[key];
		if (found == null && host.language != 'en')
			host.untranslated.add(key);
		return found;
	}

	window._ = function (text, context) {
		if (typeof text != 'string')
			throw new TypeError('_() wants a string');

		const found = translate(context != null ? `${context}\u0004${text}` : text);
		return found == null ? text : (Array.isArray(found) ? found[0] : found);
	};

	window.N_ = function (count, singular, plural, context) {
		const found = translate(context != null ? `${context}\u0004${singular}` : singular);
		if (Array.isArray(found))
			return found[count == 1 ? 0 : 1];
		return count == 1 ? singular : plural;
	};

	const two = value => String(value).padStart(2, '0');

	function scaled(value, base, digits, unit) {
		const prefixes = [ '', 'K', 'M', 'G', 'T', 'P', 'E' ];
		let at = 0;
		while (Math.abs(value) > base && at < prefixes.length - 1) {
			value /= base;
			at++;
		}
		return `${value.toFixed(digits)} ${prefixes[at]}${unit}`;
	}

	function duration(seconds) {
		const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24,
		      minutes = Math.floor(seconds / 60) % 60, rest = Math.floor(seconds % 60);
		return days ? `${days}d ${hours}h ${minutes}m ${rest}s` : `${hours}h ${minutes}m ${rest}s`;
	}

	const escaped = value => String(value).replace(/[&<>"']/g,
		c => ({ '&': '&#38;', '<': '&#60;', '>': '&#62;', '"': '&#34;', '\'': '&#39;' })[c]);

	Object.defineProperty(String.prototype, 'format', { value: function (...given) {
		let at = 0;
		return this.replace(/%(?:(\d+)\$)?('.|0| )?(-)?(\d+)?(?:\.(\d+))?([%bcdeoufFsxXqhtmMj])([A-Za-z/]*)?/g,
			(all, position, pad, left, width, precision, kind, tail = '') => {
				if (kind == '%')
					return '%' + tail;

				const value = position ? given[position - 1] : given[at++];
				let text;
				switch (kind) {
				case 'b': text = Number(value).toString(2); break;
				case 'c': text = String.fromCharCode(value); break;
				case 'd': case 'u': text = String(Math.trunc(Number(value)) || 0); break;
				case 'e': text = Number(value).toExponential(precision ?? 6); break;
				case 'f': case 'F':
					text = precision != null ? Number(value).toFixed(precision) : String(Number(value)); break;
				case 'o': text = Number(value).toString(8); break;
				case 'x': text = Number(value).toString(16); break;
				case 'X': text = Number(value).toString(16).toUpperCase(); break;
				case 's': case 'q':
					text = String(value ?? ''); if (precision != null) text = text.slice(0, precision); break;
				case 'h': text = escaped(value ?? ''); break;
				case 'j': text = value == null ? 'null' : JSON.stringify(value); break;
				case 't': text = duration(Number(value) || 0); break;
				case 'm': case 'M':
					/* The prefix stands beside the unit: %1024.2mB */
					return scaled(Number(value) || 0, Number(width) || 1000, precision ?? 2, '') + tail;
				}

				if (width && kind != 't') {
					const filler = pad ? (pad.length == 2 ? pad[1] : pad) : ' ';
					text = left ? text.padEnd(width, ' ') : text.padStart(width, filler);
				}
				return text + tail;
			});
	} });

	/* Elements. */
	const isElement = value => value instanceof window.Node;
	const attached = new WeakMap(), instances = new WeakMap();

	const dom = host.dom = {
		elem: value => isElement(value) ? value : null,
		matches: (node, selector) => isElement(node) && node.matches ? node.matches(selector) : false,
		parent: (node, selector) => isElement(node) && node.closest ? node.closest(selector) : null,

		parse() {
			throw new Error('dom.parse(): HTML from a string is against the house rules');
		},

		append(node, children) {
			if (!isElement(node))
				return null;

			if (Array.isArray(children)) {
				for (const child of children) {
					if (isElement(child))
						node.appendChild(child);
					else if (Array.isArray(child))
						throw new TypeError('E(): an array inside the array of children');
					else if (child != null)
						node.appendChild(document.createTextNode(`${child}`));
				}
				return node.lastChild;
			}

			if (typeof children == 'function')
				return this.append(node, children(node));
			if (isElement(children))
				return node.appendChild(children);
			if (children == null)
				return null;

			throw new TypeError(`E(): the bare child "${String(children).slice(0, 60)}" would be taken for HTML; put it into an array`);
		},

		content(node, children) {
			if (!isElement(node))
				return null;

			node.replaceChildren();
			return this.append(node, children);
		},

		attr(node, key, value) {
			if (!isElement(node))
				return null;

			const all = typeof key == 'object' ? key : { [key]: value };
			for (const name of Object.keys(all ?? {})) {
				const given = all[name];
				if (given == null)
					continue;

				if (typeof given == 'function')
					node.addEventListener(name, given);
				else if (/^on/i.test(name))
					throw new Error(`E(): the attribute ${name} holds program text`);
				else if (typeof given == 'object')
					node.setAttribute(name, JSON.stringify(given));
				else
					node.setAttribute(name, given);
			}
			return null;
		},

		create(first, ...rest) {
			let attributes = rest[0], children = rest[1];
			if (!(attributes instanceof Object) || Array.isArray(attributes) || isElement(attributes)) {
				children = attributes;
				attributes = null;
			}

			let node;
			if (isElement(first))
				node = first;
			else if (Array.isArray(first)) {
				node = document.createDocumentFragment();
				for (const child of first)
					this.append(node, [ child ]);
			}
			else if (typeof first == 'string' && /^\s*</.test(first))
				throw new Error('E(): HTML from a string is against the house rules');
			else
				node = document.createElement(first);

			this.attr(node, attributes);
			this.append(node, children);
			return node;
		},

		data(node, key, value) {
			const all = attached.get(node) ?? {};
			if (value !== undefined) {
				all[key] = value;
				attached.set(node, all);
			}
			return key == null ? all : all[key];
		},

		bindClassInstance(node, instance) {
			instances.set(node, instance);
			return instance;
		},

		findClassInstance(node) {
			let found = null;
			for (let at = node; at && !found; at = at.parentNode)
				found = instances.get(at) ?? null;
			return found;
		},

		callClassMethod(node, method, ...given) {
			const instance = this.findClassInstance(node);
			return instance && typeof instance[method] == 'function' ? instance[method](...given) : null;
		},

		isEmpty(node, ignore) {
			return Array.from(node?.children ?? []).every(child =>
				child.classList.contains('hidden') || (ignore && ignore(child)));
		}
	};

	window.E = (...given) => dom.create(...given);

	/* Requests; those to ubus leave together, once a frame, as LuCI sends them. */
	let queue = [];

	class Reply {
		constructor(response, text, value) {
			this.ok = response.ok;
			this.status = response.status;
			this.statusText = response.statusText;
			this.headers = response.headers;
			this.body = text;
			this.value = value;
		}

		json() {
			if (this.value === undefined)
				this.value = JSON.parse(this.body);
			return this.value;
		}

		text() {
			return this.body ?? JSON.stringify(this.value);
		}
	}

	async function exchange(url, options) {
		const content = options.content;
		const isText = typeof content == 'string' || content == null;
		let response;
		try {
			response = await fetch(url, {
				method: options.method ?? 'GET',
				headers: { ...(isText ? {} : { 'Content-Type': 'application/json' }), ...options.headers },
				body: content == null ? undefined : (isText ? content : JSON.stringify(content)),
				signal: options.timeout ? AbortSignal.timeout(options.timeout) : undefined
			});
		}
		catch (error) {
			throw new Error('XHR request aborted by browser');
		}
		return new Reply(response, await response.text());
	}

	function flush() {
		const sent = queue;
		queue = [];
		if (!sent.length)
			return;

		exchange(L.env.ubuspath, { method: 'POST', timeout: 20000, content: sent.map(one => one.content) }).then(reply => {
			const answers = reply.ok ? reply.json() : null;
			sent.forEach((one, at) => Array.isArray(answers) && answers.length > at
				? one.resolve(new Reply(reply, null, answers[at]))
				: one.reject(new Error('No related RPC reply')));
		}).catch(error => sent.forEach(one => one.reject(error)));
	}

	const request = host.request = {
		expandURL: url => new URL(url, location.href).href,
		request: (url, options) => exchange(url, options ?? {}),
		get: (url, options) => exchange(url, { ...options, method: 'GET' }),
		post(url, content, options) {
			if (!url.startsWith(L.env.ubuspath) || options?.nobatch)
				return exchange(url, { ...options, method: 'POST', content });

			return new Promise((resolve, reject) => {
				queue.push({ content, resolve, reject });
				if (queue.length == 1)
					requestAnimationFrame(flush);
			});
		}
	};

	/* Modules. */
	const loaded = new Map();

	function head(source) {
		const needs = [];
		let rest = source;
		for (;;) {
			rest = rest.replace(/^(?:\s|;|\/\/[^\n]*\n|\/\*[\s\S]*?\*\/)+/, '');
			const found = /^(['"])((?:(?!\1)[^\\\n])*)\1/.exec(rest);
			if (!found)
				return needs;

			const need = /^require[ \t]+(\S+)(?:[ \t]+as[ \t]+([A-Za-z_]\S*))?$/.exec(found[2]);
			if (need)
				needs.push({ name: need[1], as: need[2] ?? need[1].replace(/[^A-Za-z0-9_]/g, '_') });
			else if (found[2] != 'use strict')
				throw new Error(`"${found[2]}" at the head of a module`);
			rest = rest.slice(found[0].length);
		}
	}

	async function bring(name, from) {
		if (from.includes(name))
			throw new Error(`${name} requires itself`);

		const url = `${L.env.base_url}/${name.replace(/\./g, '/')}.js`;
		const reply = await exchange(url, {});
		if (!reply.ok)
			throw new Error(`HTTP error ${reply.status} while loading class file "${url}"`);

		const needs = head(reply.text());
		const given = await Promise.all(needs.map(need => L.require(need.name, from.concat(name))));
		const factory = new Function('window', 'document', 'L', ...needs.map(need => need.as),
			`${reply.text()}\n//# sourceURL=${url}`);
		const result = factory.call(factory, window, document, L, ...given);
		if (!Class.isSubclass(result))
			throw new TypeError(`"${name}" factory yields invalid constructor`);

		/* What others extend. */
		if (name == 'baseclass' || name == 'view')
			return result;

		const instance = new result();
		return L.strictModules.has(name) ? host.strict(name, instance) : instance;
	}

	window.LuCI = function (environment) {
		host.language = environment.language ?? 'en';
		document.documentElement.lang = host.language;

		window.L = host.strict('L', {
			env: environment,
			Class,
			dom,
			Request: request,
			strictModules: new Set([ 'ui', 'rpc', 'uci', 'form', 'dom', 'poll', 'fs', 'request', 'network', 'validation' ]),

			require(name, from = []) {
				if (!loaded.has(name) || from.includes(name))
					loaded.set(name, bring(name, from));
				return loaded.get(name);
			},

			bind: (fn, self, ...given) => Function.prototype.bind.call(fn, self, ...given),
			resolveDefault: (value, fallback) => Promise.resolve(value).catch(() => fallback),
			isObject: value => value != null && typeof value == 'object',
			toArray: value => value == null ? [] :
				(Array.isArray(value) ? value : (typeof value == 'object' ? [ value ] : String(value).trim().split(/\s+/))),
			sortedKeys: (object, key) => Object.keys(object ?? {}).sort(key
				? (a, b) => L.naturalCompare(object[a][key], object[b][key]) : L.naturalCompare),
			naturalCompare: new Intl.Collator(undefined, { numeric: true }).compare,
			hasSystemFeature: () => false,

			hasViewPermission() {
				const node = L.env.nodespec;
				return !node || !node.satisfied ? null : !node.readonly;
			},

			url: (...parts) => [ L.env.scriptname, ...parts ].join('/').replace(/\/+/g, '/'),
			resource: (...parts) => [ L.env.resource, ...parts ].join('/').replace(/\/+/g, '/'),
			location: () => L.url(...L.env.requestpath),

			raise(type, format, ...given) {
				const error = type instanceof Error ? type : new Error(format ? format.format(...given) : 'Unspecified error');
				if (!(type instanceof Error))
					error.name = type || 'Error';
				throw error;
			},

			error(type, format, ...given) {
				try {
					L.raise(type, format, ...given);
				}
				catch (error) {
					host.errors.push(`${error.name}: ${error.message}`);
					console.error(error);
					document.getElementById('maincontent').prepend(E('div', { 'class': 'alert-message error' }, [
						E('h4', [ error.name ]), E('div', [ error.message ])
					]));
				}
			}
		});

		addEventListener('unhandledrejection', event => host.errors.push(String(event.reason?.stack ?? event.reason)));
		addEventListener('error', event => host.errors.push(String(event.error?.stack ?? event.message)));

		Promise.all([ 'ui', 'rpc', 'form' ].map(name => L.require(name))).then(([ ui ]) => {
			host.ui = ui;
			return L.require('poll');
		}).then(poll => {
			poll.start();
			return L.env.view ? L.require(L.env.view) : null;
		}).then(() => { host.ready = true; }).catch(error => L.error(error));
	};
})(window, document);
