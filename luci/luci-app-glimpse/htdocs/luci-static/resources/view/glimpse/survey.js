// SPDX-License-Identifier: Apache-2.0
'use strict';
'require view';
'require dom';
'require glimpse.page as page';
'require glimpse.words as words';
'require glimpse.rpc as agent';
'require glimpse.fields as fields';

/* A few voluntary questions. The answers stay on the router unless the household says otherwise. */

const GRADES = ['', _('very bad'), _('bad'), _('middling'), _('good'), _('very good')];

const speed = title => ({ type: 'number', title, description: _('your line is compared with it'), unit: 'Mbit/s', minimum: 0.1, maximum: 100000 });
const grade = (title, description) => ({ type: 'string', title, description, enum: ['', '1', '2', '3', '4', '5'], words: GRADES });

const QUESTIONS = {
	down: speed(_('Download you pay for')),
	up: speed(_('Upload you pay for')),
	technology: { type: 'string', title: _('Kind of line'), description: _('lines of one kind are compared'),
		enum: ['', 'dsl', 'cable', 'fibre', 'mobile', 'satellite', 'fixed_wireless', 'other'],
		words: { dsl: 'DSL', cable: _('Television cable'), fibre: _('Fibre'), mobile: _('Mobile network'), satellite: _('Satellite'),
			fixed_wireless: _('Fixed wireless'), other: _('Other') } },
	provider: { type: 'string', maxLength: 64, title: _('Provider'), description: _('results count for the right company') },
	satisfaction: grade(_('How content are you with the line?'), _('tells which figures matter')),
	reliability: grade(_('How reliable is it?'), _('measurements miss short breaks')),
	use: { type: 'set', title: _('What do you use it for?'), description: _('games need short delays, films speed'),
		enum: ['work', 'school', 'video', 'games', 'calls', 'browsing'],
		words: { work: _('Work'), school: _('School'), video: _('Films'), games: _('Games'), calls: _('Video calls'), browsing: _('Browsing') } },
	share: { type: 'boolean', title: _('Send with my results'), description: _('to the controller, while measurements for others are on') }
};

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load: () => agent.survey_get().catch(error => ({ error })),

	render(stored) {
		const given = stored.answers || {};
		const form = fields.make({ properties: QUESTIONS }, Object.assign({}, given, { share: stored.shared,
			down: given.contract_down_kbps && given.contract_down_kbps / 1000, up: given.contract_up_kbps && given.contract_up_kbps / 1000 }));
		const told = E('span', { role: 'status' }, [stored.answered ? words.ago(stored.answered) : '']);

		return page.frame(_('Survey'), stored.error ? [page.failure(stored.error)] : [
			E('p', {}, [_('Every question may be left out. The answers stay here, unless you tick the last box. Saving none withdraws them.')]),
			form.node, page.div('gl-actions', [page.button(_('Save'), 'save', () => this.save(form, told)), told])
		]);
	},

	save(form, told) {
		const { share, down, up, satisfaction, reliability, technology, provider, use } = form.read() || {};
		const number = (value, times) => value && Math.round(value * times);

		return use && agent.survey_answer({ share, answers: {
			contract_down_kbps: number(down, 1000), contract_up_kbps: number(up, 1000), satisfaction: number(satisfaction, 1),
			reliability: number(reliability, 1), technology, provider, use
		} }).then(() => _('Saved.'), error => error.message).then(text => dom.content(told, [text]));
	}
});
