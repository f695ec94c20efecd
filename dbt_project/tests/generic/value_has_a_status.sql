{#-
    Every row says with codes of SDMX what its value is and whether it is kept back (columns obs_status and conf_status), and
    the codes agree with the value: one that is missing or kept back is null, any other is not. `value` is SQL.
-#}
{% test value_has_a_status(model, value) %}
select published.obs_status, published.conf_status
from {{ model }} as published
left join {{ ref('obs_statuses') }} as obs_statuses
    on published.obs_status = obs_statuses.obs_status
left join {{ ref('conf_statuses') }} as conf_statuses
    on published.conf_status = conf_statuses.conf_status
where
    obs_statuses.obs_status is null
    or conf_statuses.conf_status is null
    or obs_statuses.is_missing != (({{ value }}) is null)
    or (published.obs_status = 'Q') != (published.conf_status != 'F')
{% endtest %}
